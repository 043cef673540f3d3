#include "cpu/layer.h"

#include <cstdlib>
#include <string>

#include "core/error/error.h"

namespace moe::cpu {
namespace {

const moe_layer_desc& checked(const moe_layer_desc& desc) {
  check_layer_desc(desc);
  if (desc.contract < MOE_UNIT_ALPHA || desc.contract > MOE_CLEAN) {
    throw Error(code::kUnsupported, "the cpu provider runs prepared layers (unit-alpha, activation-alpha, clean); the other answers are the reference provider's",
                {{"subject", std::string("contract")}, {"remedy", std::string("take the provider reference")}});
  }
  return desc;
}

/// 0 for the first value (also when the variable is not set), 1 for the second.
int read_choice(const char* variable, const std::string& first, const std::string& second) {
  const char* text = std::getenv(variable);
  if (text == nullptr || text == first) return 0;
  if (text == second) return 1;
  throw Error(code::kUnsupported, std::string(variable) + " has a value that is not known",
              {{"subject", std::string(variable)}, {"expected", first + " or " + second}, {"found", std::string(text)}});
}

}  // namespace

DirectMicroScale chosen_direct_micro_scale() { return static_cast<DirectMicroScale>(read_choice("MOESCOPE_DIRECT_MICRO_SCALE", "divider", "multiplier")); }
Reciprocal chosen_reciprocal() { return static_cast<Reciprocal>(read_choice("MOESCOPE_RECIPROCAL", "exact", "fp32")); }

Layer::Layer(const moe_layer_desc& desc)
    : shape_(checked(desc)), kernels_(kernels(choose_simd())),
      direct_micro_scale_(chosen_direct_micro_scale()), reciprocal_(chosen_reciprocal()), b12x_(b12x_scales(desc)) {
  if (desc.threshold > 0) cutlass_ = cutlass_scales(desc);
  shape_.tensors = nullptr;
  shape_.tensor_count = 0;
  shape_.gate = shape_.up = shape_.down = nullptr;
}

const PathScales& Layer::scales(moe_path path) const {
  if (path == MOE_PATH_B12X) return b12x_;
  if (path != MOE_PATH_CUTLASS) throw Error(code::kUnsupported, "the cpu provider runs the paths b12x and cutlass");
  if (!cutlass_) {
    throw Error(code::kUnsupported, "no CUTLASS scales are registered: the layer was prepared with threshold 0",
                {{"remedy", std::string("prepare the layer with a threshold > 0")}});
  }
  return *cutlass_;
}

ActivationSpec Layer::activation() const {
  return {static_cast<moe_activation>(shape_.activation), shape_.swiglu_alpha, shape_.swiglu_limit};
}

}  // namespace moe::cpu
