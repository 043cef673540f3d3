// Device memory that a family of the CUTLASS path keeps beside the layer.
#pragma once

#include <cstdint>
#include <memory>

#include "cuda/kernels/copy_memory.h"

namespace moe::cuda::cutlass_path {

struct DeviceFree {
  void operator()(uint8_t* memory) const { cudaFree(memory); }
};
/// Freed with its owner.
using DeviceMemory = std::unique_ptr<uint8_t, DeviceFree>;

/// @param total_bytes of all that the layer's second copy takes, for the message
/// @throws Error as allocate_for_copy
inline DeviceMemory allocate_copy(uint64_t bytes, uint64_t total_bytes) {
  void* memory = allocate_for_copy(bytes, total_bytes, "a second copy of the weights, as the GEMMs of the cutlass path read them",
                                   "free device memory, or prepare the layer with threshold 0 (no cutlass path)");
  return DeviceMemory(static_cast<uint8_t*>(memory));
}

}  // namespace moe::cuda::cutlass_path
