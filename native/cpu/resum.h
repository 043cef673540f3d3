// Sums of a sample of elements taken again in other orders.
#pragma once

#include "core/history/resum.h"
#include "core/parallel/parallel.h"
#include "cpu/layer.h"
#include "provider.h"

namespace moe::cpu {

/// Block dots are exact, so only the additions across K blocks, slices and slots depend on their order. Values are
/// compared as the taps have them, after multiplier and rounding. The quantized inputs of FC1 and FC2 stay as they are.
/// @throws Error `cancelled`, `unsupported`
ResumNoise resum_noise(const Layer& layer, const moe_batch& batch, const ResumRequest& request, const Task& task);

}  // namespace moe::cpu
