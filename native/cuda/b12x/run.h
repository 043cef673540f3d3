// Enqueues one run of the b12x path.
#pragma once

#include "cuda/b12x/grouped.h"
#include "cuda/b12x/plan.h"
#include "cuda/launch.h"

namespace moe::cuda::b12x {

/// quantize x -> FC1, activation, bf16, quantize -> FC2 -> y, by chunks of tokens. Marks the stages "quantize" (with the sort
/// of routed pairs), "fc1" (with the activation, which is part of that kernel), "fc2" and "finalize" once a chunk.
/// @throws Error `internal` when a launch is refused
void enqueue_run(const GroupedKernels& kernels, const DeviceLayer& layer, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream,
                 StageMarks* marks);

}  // namespace moe::cuda::b12x
