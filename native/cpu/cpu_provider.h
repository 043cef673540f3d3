// The built-in provider "cpu": both pipelines with the roundings and orders of the real kernels.
#pragma once

#include "core/history/history.h"
#include "core/history/resum.h"
#include "core/parallel/parallel.h"
#include "provider.h"

namespace moe::cpu {

/// Never null; lives as long as the process.
const moe_provider* provider();

/// The history of an output element and the noise of its sums, in this provider's own arithmetic. `layer` is one that this
/// provider created. @throws Error as cpu/history.h and cpu/resum.h
ElementHistory element_history(const moe_layer* layer, const moe_batch& batch, const HistoryRequest& request);
ResumNoise resum_noise(const moe_layer* layer, const moe_batch& batch, const ResumRequest& request, const Task& task);

}  // namespace moe::cpu
