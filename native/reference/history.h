// The history of an output element in the reference provider's arithmetic.
#pragma once

#include "core/history/history.h"
#include "reference/layer.h"

namespace moe::reference {

/// y[token, column] of the batch in fp64 with exact dots, and FC1 where the request asks for it.
/// @throws Error `out-of-bounds`, `cancelled`; `unsupported` under weights-only, whose activations have no codes
ElementHistory element_history(const Layer& layer, const moe_batch& batch, const HistoryRequest& request);

}  // namespace moe::reference
