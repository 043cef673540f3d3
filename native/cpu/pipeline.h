// One batch through the cpu pipelines of domain/nvfp4-moe, section 7.
#pragma once

#include "core/provider/abi.h"
#include "cpu/layer.h"

namespace moe::cpu {

/// quantize x -> FC1 -> activation -> bf16 -> quantize -> FC2 -> reduce; what differs by kernel is in recipe.h. y is BF16
/// [T, H]. Long batches go through in chunks of tokens; neither chunks, threads, SIMD level nor taps change a bit of y.
/// Taps: fc1 after the FC1 multiplier (bf16-rounded for CUTLASS), act bf16-rounded, fc2 as Finalizer::fc2 says.
/// @throws Error `cancelled`, `unsupported`, `out-of-memory`
void run_batch(const Layer& layer, const moe_batch& batch, const abi::Outputs& outputs);

}  // namespace moe::cpu
