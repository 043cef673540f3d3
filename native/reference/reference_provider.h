// The built-in provider "reference": fp64, the judge.
#pragma once

#include "core/history/history.h"
#include "provider.h"

namespace moe::reference {

/// Never null; lives as long as the process.
const moe_provider* provider();

/// The history of an output element in this provider's own arithmetic. `layer` is one that this provider created.
/// @throws Error as reference/history.h
ElementHistory element_history(const moe_layer* layer, const moe_batch& batch, const HistoryRequest& request);

}  // namespace moe::reference
