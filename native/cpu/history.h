// The history of an output element in the cpu provider's own arithmetic.
#pragma once

#include <vector>

#include "core/history/collected_run.h"
#include "core/history/history.h"
#include "core/provider/abi.h"
#include "cpu/recipe.h"

namespace moe::cpu {

/// One token of a batch, run by itself (which changes no bit of it) with everything kept.
class TokenTrace {
 public:
  /// @throws what run_batch throws
  TokenTrace(const Layer& layer, const moe_batch& batch, int64_t token);

  /// @throws Error `internal` when the steps do not lead to the very bits of the run
  ElementHistory element(int64_t column) const;
  Fc1History fc1(int32_t slot, int64_t element) const;

  /// Slot's dot product along I for a column of H, in slices.
  DotHistory fc2_dot(int32_t slot, int64_t column) const;
  int64_t slice_blocks() const { return slice_blocks_; }
  const Recipe& recipe() const { return recipe_; }
  int32_t expert(int64_t slot) const { return one_.topk_ids[slot]; }
  float weight(int64_t slot) const { return one_.topk_weights[slot]; }

 private:
  double activation_scale(const std::vector<float>& scales, int32_t expert) const;
  const Layer& layer_;
  const moe_batch& batch_;
  const moe_batch one_;
  const Recipe recipe_;
  const int64_t token_;
  int64_t slice_blocks_;
  CollectedRun run_;
};

/// y[token, column] of the batch, and FC1 where the request asks for it. The last sum is y bit for bit (deterministic
/// order of additions).
/// @throws Error `out-of-bounds`, `cancelled`, `unsupported`
ElementHistory element_history(const Layer& layer, const moe_batch& batch, const HistoryRequest& request);

}  // namespace moe::cpu
