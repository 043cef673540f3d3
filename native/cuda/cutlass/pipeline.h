// The CUTLASS path as FlashInfer runs it (domain 7.1, unfused finalize): sort by expert, expand + quantize, GEMM1, activation +
// quantize, GEMM2, finalize in slot order. Both bodies (SM90, SM120) are this pipeline with another grouped GEMM.
#pragma once

#include "cuda/cutlass/grouped_gemm.h"
#include "cuda/launch.h"

namespace moe::cuda::cutlass_path {

/// What a body brings. SM120: CUTLASS's GEMM over the layer's own NVFP4 weights, K padded (padded_k). SM90: the weights as
/// images for expert_gemm.h.
struct Body {
  const GroupedGemm* sm120 = nullptr;
  DeviceOperand w13, w2;                                      ///< SM120
  const uint8_t *w13_images = nullptr, *w2_images = nullptr;  ///< [E] images each; SM90
};

size_t workspace_bytes(const DeviceLayer& layer, const Body& body, const RunShape& shape);
void enqueue(const DeviceLayer& layer, const Body& body, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream, StageMarks* marks);

/// What both bodies refuse; nullptr when nothing stands in the way.
const char* refuses(const DeviceLayer& layer, const RunShape& shape);

}  // namespace moe::cuda::cutlass_path
