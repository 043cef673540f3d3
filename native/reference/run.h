// One batch through a layer in fp64: the answer that everything else is judged by.
#pragma once

#include "core/provider/abi.h"
#include "reference/layer.h"

namespace moe::reference {

/// y[t] = sum over slots of topk_weight * W2(act(W1 x)), F64 [T, H], slots in order. Activations are quantized exactly
/// (quantize_row_ideal) before FC1 and FC2 with the projection's divider, or not at all under weights-only; nothing is
/// rounded between the stages. Quantized dots are exact integers (exact_dot). Taps fc1, act and fc2 are F64.
/// @throws Error `cancelled`, `out-of-memory`, `unsupported`.
void run_batch(const Layer& layer, const moe_batch& batch, const abi::Outputs& outputs);

}  // namespace moe::reference
