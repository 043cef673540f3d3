// Device memory that a family of the CUTLASS path keeps beside the layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/error/error.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::cutlass_path {

struct DeviceFree {
  void operator()(uint8_t* memory) const { cudaFree(memory); }
};
/// Freed with its owner.
using DeviceMemory = std::unique_ptr<uint8_t, DeviceFree>;

/// @param total_bytes of all that the layer's second copy takes, for the message
/// @throws Error `out-of-memory`
inline DeviceMemory allocate_copy(uint64_t bytes, uint64_t total_bytes) {
  void* memory = nullptr;
  if (cudaMalloc(&memory, bytes) != cudaSuccess) {
    cudaGetLastError();  // the failure is told here, not by the next launch
    throw Error(code::kOutOfMemory,
                "the cutlass path on this GPU keeps a second copy of the layer's weights in its own order, " + std::to_string(total_bytes >> 20U) +
                    " MiB, and the device has not that much free memory",
                {{"subject", std::string("weights of the cutlass path")},
                 {"expected", static_cast<double>(total_bytes)},
                 {"remedy", std::string("free device memory, or prepare the layer with threshold 0 (no cutlass path)")}});
  }
  return DeviceMemory(static_cast<uint8_t*>(memory));
}

}  // namespace moe::cuda::cutlass_path
