// Is there a GPU that the cuda provider can use, and if not, why: one sentence with what to do.
#pragma once

#include <string>

#include "cuda/provider/runtime.h"

namespace moe::cuda {

struct DeviceState {
  bool available = false;
  std::string reason;  ///< "" when available
  CudaStatus fault = status::kSuccess;  ///< when the reason is that this process lost the GPU
  DeviceFacts facts;   ///< of the device that would be used, as far as known
  std::string driver;  ///< "580.82.07 (CUDA 13.0)"; "" without a driver
  std::string arch() const { return facts.major == 0 ? "" : "sm_" + std::to_string(facts.major) + std::to_string(facts.minor); }
};

/// The device of all layers: the first one that CUDA_VISIBLE_DEVICES leaves.
inline constexpr int kDevice = 0;

/// Asks driver and device, never throws. Families exist for compute capability 9.0 (Hopper) and 12.x (RTX Blackwell).
DeviceState inspect_device(Runtime& runtime);

/// The state of an available device, with the calling thread's device set. @throws Error `no-device` with the reason, `device-lost`
/// when this process lost it.
DeviceState require_device(Runtime& runtime);

}  // namespace moe::cuda
