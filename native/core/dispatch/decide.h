// The dispatch policy: a pure function from a batch, a layer shape and a rule file to a printable decision.
#pragma once

#include "core/dispatch/decision.h"

namespace moe {

/// Decides one batch. The order is that of the wrapper and of FlashInfer's b12x dispatcher:
///   1. a forced path, or the hybrid threshold: tokens >= threshold -> CUTLASS, 0 = off (vLLM #43687, FlashInfer #3407);
///   2. routed pairs above the static cut-over -> dynamic;
///   3. direct micro, one step for each condition;   4. micro;   5. else static;
///   6. resident clusters and tile of the chosen kernel.
/// Source of 2-6: flashinfer/fused_moe/cute_dsl/blackwell_sm12x/moe_dispatch.py and moe_direct_micro_kernel.py
/// (`is_supported`) of FlashInfer main, 2026-08-22; the numbers come from request.limits.
/// @throws Error `usage` for a size that is not positive, `bad-rules` for a rule file that cannot decide.
Decision decide(const DecideRequest& request);

}  // namespace moe
