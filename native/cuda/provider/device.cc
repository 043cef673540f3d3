#include "cuda/provider/device.h"

#include "core/error/error.h"
#include "cuda/provider/checked.h"

namespace moe::cuda {
namespace {

std::string version_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

std::string failure(Runtime& runtime, DeviceState& state, CudaStatus code, const char* doing) {
  const bool lost = is_fault(code) && code != status::kUnknown;  // a driver that is not set up says that too
  if (lost) state.fault = code;
  return std::string("the CUDA driver failed while ") + doing + ": " + runtime.error_name(code) + " (" + runtime.error_text(code) + "); " + (lost ? kRestart : "check that nvidia-smi works");
}

/// Drivers run what was built with any minor version of their major one (CUDA compatibility guide, "minor version").
int least_driver(Runtime& runtime) {
  int built = 0;
  return runtime.runtime_version(&built) == status::kSuccess ? built / 1000 * 1000 : 13000;
}

/// "" when the driver will do.
std::string driver_objection(Runtime& runtime, DeviceState& state) {
  int driver = 0;
  const CudaStatus code = runtime.driver_version(&driver);
  if (code != status::kSuccess && code != status::kInsufficientDriver) return failure(runtime, state, code, "asking its version");
  if (driver == 0) return "no NVIDIA driver was found (libcuda.so.1 cannot be loaded); install the NVIDIA driver, 580 or newer";
  const std::string own = runtime.driver_text();
  const std::string cuda = "CUDA " + version_text(driver);
  state.driver = own.empty() ? cuda : own + " (" + cuda + ")";
  const int least = least_driver(runtime);
  if (driver >= least) return "";
  return "the NVIDIA driver is too old: it has CUDA " + version_text(driver) + ", needed is CUDA " + version_text(least) + "; install the NVIDIA driver, 580 or newer";
}

std::string device_objection(Runtime& runtime, DeviceState& state) {
  int count = 0;
  const CudaStatus code = runtime.device_count(&count);
  if (code == status::kNoDevice || (code == status::kSuccess && count == 0)) {
    return "the NVIDIA driver sees no GPU; check that nvidia-smi lists one and that CUDA_VISIBLE_DEVICES does not hide it";
  }
  if (code == status::kInsufficientDriver) return "the NVIDIA driver is too old for this library; install the NVIDIA driver, 580 or newer";
  if (code != status::kSuccess) return failure(runtime, state, code, "counting the GPUs");
  if (const CudaStatus asked = runtime.device_facts(kDevice, &state.facts); asked != status::kSuccess) return failure(runtime, state, asked, "asking what the GPU is");
  const DeviceFacts& facts = state.facts;
  if ((facts.major == 9 && facts.minor == 0) || facts.major == 12) return "";
  return facts.name + " is " + state.arch() + "; the kernels are for Hopper (sm_90) and RTX Blackwell (sm_120, sm_121): take the provider cpu";
}

}  // namespace

DeviceState inspect_device(Runtime& runtime) {
  DeviceState state;
  state.reason = driver_objection(runtime, state);
  if (state.reason.empty()) state.reason = device_objection(runtime, state);
  state.available = state.reason.empty();
  runtime.take_last_error();
  return state;
}

DeviceState require_device(Runtime& runtime) {
  DeviceState state = inspect_device(runtime);
  if (state.fault != status::kSuccess) throw lost_device(runtime, state.fault, "looking for the GPU");
  if (!state.available) throw Error(code::kNoDevice, "the cuda provider cannot run here: " + state.reason, {{"subject", std::string("provider cuda")}});
  check(runtime, runtime.set_device(kDevice), "choosing the GPU");
  return state;
}

}  // namespace moe::cuda
