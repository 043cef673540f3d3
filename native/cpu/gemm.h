// The grouped GEMM of every pipeline: for each expert, its weights against the rows routed to it.
#pragma once

#include <functional>
#include <span>

#include "core/provider/layer_tensors.h"
#include "core/routing/expert_rows.h"
#include "cpu/dot.h"
#include "cpu/rows.h"
#include "provider.h"

namespace moe::cpu {

struct GroupedGemm {
  const Kernels& kernels;
  const WeightOperand& weights;
  const ExpertRows& rows;
  const QuantizedRows& activations;
  /// Activation row of a pair: pair / pairs_per_row (k when a token's row is shared by its slots, else 1).
  int64_t pairs_per_row;
  /// Blocks of one slice along K; each slice is summed by itself. K/16 or more = one slice.
  int64_t slice_blocks;
  const moe_batch& batch;  ///< polled for cancel
};

/// acc of 16 outputs [first_output, first_output + 16) of one slice, for the pairs of one expert: acc[r] is pairs[r]'s.
struct GemmSums {
  int32_t expert;
  int64_t slice, first_output;
  std::span<const int64_t> pairs;
  const float (*acc)[kPanel];
};
/// Called from pool threads, for each (pair, slice, outputs) once.
using GemmSink = std::function<void(const GemmSums&)>;

/// Decodes each 16-output panel once an expert and applies it to all of that expert's rows.
/// @throws Error `cancelled`
void grouped_gemm(const GroupedGemm& gemm, const GemmSink& sink);

}  // namespace moe::cpu
