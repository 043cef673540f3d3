// Device memory for a family's own copy of a layer.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/copy_error.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda {

/// @param total_bytes of the whole copy, @param what it is in words, @param remedy what to do: for the message
/// @throws Error `out-of-memory` as no_memory_for_copy, or `internal` for another failure
inline void* allocate_for_copy(uint64_t bytes, uint64_t total_bytes, const char* what, const char* remedy) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the failure is told here, not by the next launch
    throw no_memory_for_copy(total_bytes, what, remedy);
  }
  check_cuda(status, "allocating a family's copy of the weights");
  return memory;
}

}  // namespace moe::cuda
