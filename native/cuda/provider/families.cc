#include "cuda/provider/families.h"

#include <cstdlib>
#include <utility>

#include "core/dispatch/decision.h"
#include "core/error/error.h"

namespace moe::cuda {
namespace {

/// Index of the variable's value among `known`; 0 when it is not set.
size_t read_choice(const char* variable, const std::vector<std::string>& known) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == 0) return 0;
  std::string expected;
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i] == text) return i;
    expected += (i == 0 ? "" : i + 1 == known.size() ? " or " : ", ") + known[i];
  }
  throw Error(code::kUnsupported, std::string(variable) + " has a value that is not known",
              {{"subject", std::string(variable)}, {"expected", expected}, {"found", std::string(text)}});
}

}  // namespace

Settings settings_from_environment() {
  Settings out;
  out.body = static_cast<Settings::Body>(read_choice("MOESCOPE_CUDA_BODY", {"auto", "native", "emulated", "upcast"}));
  out.cold_l2 = read_choice("MOESCOPE_CUDA_L2", {"warm", "cold"}) == 1;
  out.direct_micro_divides = read_choice("MOESCOPE_DIRECT_MICRO_SCALE", {"divider", "multiplier"}) == 0;
  return out;
}

const KernelFamily* choose_family(const Families& families, const Settings& settings, int path, int major) {
  const bool hopper = major == 9;
  if (path == MOE_PATH_CUTLASS) return hopper ? families.cutlass_sm90 : families.cutlass_sm120;
  if (path != MOE_PATH_B12X) return nullptr;
  switch (settings.body) {
    case Settings::Body::kNative: return families.b12x_native;
    case Settings::Body::kEmulated: return families.b12x_emulated;
    case Settings::Body::kUpcast: return families.b12x_upcast;
    default: break;
  }
  if (!hopper) return families.b12x_native;
  return families.b12x_upcast != nullptr ? families.b12x_upcast : families.b12x_emulated;
}

std::vector<std::string> family_names(const Families& families, const Settings& settings, int major) {
  std::vector<std::string> out;
  if (major == 0) return out;
  for (const int path : {MOE_PATH_B12X, MOE_PATH_CUTLASS}) {
    if (const KernelFamily* family = choose_family(families, settings, path, major)) out.emplace_back(family->name());
  }
  return out;
}

std::string run_text(const KernelFamily& family, const RunShape& shape) {
  std::string text = std::string(family.name()) + " (" + std::to_string(shape.tokens) + " tokens, kernel " + kernel_name(static_cast<moe_kernel>(shape.kernel));
  if (shape.tile_m > 0) text += ", tile " + std::to_string(shape.tile_m) + "x" + std::to_string(shape.tile_n);
  if (shape.taps != MOE_TAP_NONE) text += ", with taps";
  return text + ")";
}

}  // namespace moe::cuda
