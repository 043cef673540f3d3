// Device memory that a family of the CUTLASS path keeps beside the layer.
#pragma once

#include <cstdint>
#include <memory>

#include "cuda/copy_error.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::cutlass_path {

struct DeviceFree {
  void operator()(uint8_t* memory) const { cudaFree(memory); }
};
/// Freed with its owner.
using DeviceMemory = std::unique_ptr<uint8_t, DeviceFree>;

/// @param total_bytes of all that the layer's second copy takes, for the message
/// @throws Error `out-of-memory` as no_memory_for_copy, or `internal` for another failure
inline DeviceMemory allocate_copy(uint64_t bytes, uint64_t total_bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the failure is told here, not by the next launch
    throw no_memory_for_copy(total_bytes, "a second copy of the weights, as the GEMMs of the cutlass path read them",
                             "free device memory, or prepare the layer with threshold 0 (no cutlass path)");
  }
  check_cuda(status, "allocating the second copy of the weights");
  return DeviceMemory(static_cast<uint8_t*>(memory));
}

}  // namespace moe::cuda::cutlass_path
