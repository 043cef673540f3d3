// One place where a refused kernel launch becomes an Error.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "core/error/error.h"

namespace moe::cuda {

/// @throws Error `out-of-memory` or `internal`, naming the work and the CUDA error, unless `status` is success.
inline void check_cuda(cudaError_t status, const char* work) {
  if (status == cudaSuccess) return;
  throw Error(status == cudaErrorMemoryAllocation ? code::kOutOfMemory : code::kInternal,
              std::string(work) + " failed: " + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ")", {{"subject", std::string(work)}, {"found", std::string(cudaGetErrorName(status))}});
}

/// After a launch: @throws Error as check_cuda.
inline void check_launch(const char* kernel) { check_cuda(cudaGetLastError(), kernel); }

}  // namespace moe::cuda
