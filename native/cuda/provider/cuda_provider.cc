#include "cuda/provider/cuda_provider.h"

#include <atomic>
#include <cstdio>

namespace moe::cuda {
namespace {

/// Device memory, grids and indices were checked up to here; longer batches come from nowhere.
constexpr int kMostTokens = 16384;

std::atomic<const Backend*> current{nullptr};
const Backend& backend() { return *current.load(); }

moe_status capabilities(moe_capabilities* out) {
  const Families& families = backend().families;
  const bool b12x = families.b12x_native != nullptr || families.b12x_emulated != nullptr || families.b12x_upcast != nullptr;
  const bool cutlass = families.cutlass_sm90 != nullptr || families.cutlass_sm120 != nullptr;
  *out = {};
  out->struct_size = sizeof *out;
  out->paths = (b12x ? 1 << MOE_PATH_B12X : 0) | (cutlass ? 1 << MOE_PATH_CUTLASS : 0);
  out->activations = 1 << MOE_SILU | 1 << MOE_GELU_TANH | 1 << MOE_SWIGLUOAI | 1 << MOE_RELU2;
  out->contracts = 1 << MOE_UNIT_ALPHA | 1 << MOE_ACTIVATION_ALPHA | 1 << MOE_CLEAN;
  out->taps = MOE_TAP_ALL;
  out->cutlass_prefill_threshold = b12x && cutlass ? 1 : 0;
  out->max_tokens = kMostTokens;
  out->timing_source = "cuda events";
  return MOE_OK;
}

std::string description(const DeviceState& state) {
  if (state.facts.name.empty()) return "NVIDIA GPU";
  std::string text = state.facts.name + " (" + std::to_string(state.facts.sm_count) + " SMs";
  if (state.available) {
    for (const std::string& family : family_names(backend().families, settings_from_environment(), state.facts.major)) text += "; " + family;
  }
  return text + ")";
}

moe_status probe(moe_device* out) {
  return abi::guarded([&] {
    const DeviceState state = inspect_device(backend().runtime);
    *out = {};
    out->struct_size = sizeof *out;
    std::snprintf(out->name, sizeof out->name, "%s", description(state).c_str());
    std::snprintf(out->driver, sizeof out->driver, "%s", state.driver.c_str());
    std::snprintf(out->arch, sizeof out->arch, "%s", state.arch().c_str());
    std::snprintf(out->reason, sizeof out->reason, "%s", state.reason.c_str());
    out->available = state.available ? 1 : 0;
    out->memory_bytes = state.facts.memory_bytes;
  });
}

moe_status create_layer(const moe_layer_desc* desc, moe_layer** out) {
  return abi::guarded([&] { *out = reinterpret_cast<moe_layer*>(new Layer(backend(), *desc)); });
}

moe_status run(moe_layer* layer, const moe_batch* batch, const moe_sink* sink) {
  return abi::guarded([&] { reinterpret_cast<Layer*>(layer)->run(*batch, abi::Outputs(*sink, *batch)); });
}

void destroy_layer(moe_layer* layer) { delete reinterpret_cast<Layer*>(layer); }

moe_status layer_memory(moe_layer* layer, moe_layer_memory* out) {
  return abi::guarded([&] { *out = reinterpret_cast<Layer*>(layer)->memory(); });
}

constexpr moe_provider kProvider{MOE_PROVIDER_ABI, sizeof(moe_provider), "cuda", "1.0.0",       capabilities,    probe,
                                 create_layer,     run,                  destroy_layer,   abi::last_error, layer_memory};

}  // namespace

const moe_provider* provider(const Backend& backend) {
  current = &backend;
  return &kProvider;
}

}  // namespace moe::cuda
