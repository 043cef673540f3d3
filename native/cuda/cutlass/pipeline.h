// The CUTLASS path as FlashInfer runs it (domain 7.1, unfused finalize): sort by expert, expand + quantize, GEMM1, activation +
// quantize, GEMM2, finalize in slot order. Both bodies (SM90, SM120) are this pipeline with another grouped GEMM.
#pragma once

#include "cuda/cutlass/grouped_gemm.h"
#include "cuda/launch.h"

namespace moe::cuda::cutlass_path {

/// What a body brings: its kernels for a shape and the weights in their form.
struct Body {
  const GroupedGemm *fc1_gemm, *fc2_gemm;
  bool fp4;            ///< operands are NVFP4 (SM120); else bf16 upcast (SM90)
  const uint8_t* w13;  ///< [E, N1, H] in the kernel's element
  const uint8_t* w2;   ///< [E, H, I]
};

size_t workspace_bytes(const DeviceLayer& layer, const Body& body, const RunShape& shape);
void enqueue(const DeviceLayer& layer, const Body& body, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream, StageMarks* marks);

/// What both bodies refuse; nullptr when nothing stands in the way.
const char* refuses(const DeviceLayer& layer, const RunShape& shape);

}  // namespace moe::cuda::cutlass_path
