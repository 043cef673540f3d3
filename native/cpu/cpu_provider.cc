#include "cpu/cpu_provider.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

#include "core/provider/abi.h"
#include "cpu/history.h"
#include "cpu/layer.h"
#include "cpu/pipeline.h"
#include "cpu/resum.h"

namespace moe::cpu {
namespace {

moe_status capabilities(moe_capabilities* out) {
  *out = {};
  out->struct_size = sizeof *out;
  out->paths = 1 << MOE_PATH_B12X | 1 << MOE_PATH_CUTLASS;
  out->activations = 1 << MOE_SILU | 1 << MOE_GELU_TANH | 1 << MOE_SWIGLUOAI | 1 << MOE_RELU2;
  out->contracts = 1 << MOE_UNIT_ALPHA | 1 << MOE_ACTIVATION_ALPHA | 1 << MOE_CLEAN;
  out->taps = MOE_TAP_ALL;
  out->cutlass_prefill_threshold = 1;
  out->timing_source = "steady_clock";
  return MOE_OK;
}

moe_status probe(moe_device* out) {
  return abi::guarded([&] {
    *out = {};
    out->struct_size = sizeof *out;
    std::snprintf(out->name, sizeof out->name, "%s", cpu_description().c_str());
    utsname system{};
    if (uname(&system) == 0) {
      std::snprintf(out->driver, sizeof out->driver, "%.31s %.31s", system.sysname, system.release);
      std::snprintf(out->arch, sizeof out->arch, "%.31s", system.machine);
    }
    out->available = 1;
    out->memory_bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
  });
}

moe_status create_layer(const moe_layer_desc* desc, moe_layer** out) {
  return abi::guarded([&] { *out = reinterpret_cast<moe_layer*>(new Layer(*desc)); });
}

moe_status run(moe_layer* layer, const moe_batch* batch, const moe_sink* sink) {
  return abi::guarded([&] { run_batch(*reinterpret_cast<Layer*>(layer), *batch, abi::Outputs(*sink, *batch)); });
}

void destroy_layer(moe_layer* layer) { delete reinterpret_cast<Layer*>(layer); }

constexpr moe_provider kProvider{MOE_PROVIDER_ABI, sizeof(moe_provider), "cpu", "1.0.0",       capabilities,
                                 probe,            create_layer,         run,   destroy_layer, abi::last_error, nullptr};

}  // namespace

const moe_provider* provider() { return &kProvider; }

ElementHistory element_history(const moe_layer* layer, const moe_batch& batch, const HistoryRequest& request) {
  return element_history(*reinterpret_cast<const Layer*>(layer), batch, request);
}

ResumNoise resum_noise(const moe_layer* layer, const moe_batch& batch, const ResumRequest& request, const Task& task) {
  return resum_noise(*reinterpret_cast<const Layer*>(layer), batch, request, task);
}

}  // namespace moe::cpu
