// Routers: which experts a token goes to, and with which weights.
#pragma once

#include <cstdint>
#include <vector>

namespace moe {

enum class Scoring { kSoftmax, kSigmoid };

struct RouteRequest {
  const float* logits = nullptr;  ///< [T, E]
  int64_t tokens = 0;
  int experts = 0;
  int top_k = 0;
  Scoring scoring = Scoring::kSoftmax;
  const float* bias = nullptr;  ///< [E], e_score_correction_bias: chooses experts, never weighs them; may be null
  bool renormalize = false;
  float scale = 1.0F;   ///< routed_scaling_factor
  int groups = 1;       ///< n_group: experts are split in this many equal consecutive groups
  int top_groups = 1;   ///< topk_group: groups whose experts may be chosen
};

struct Routing {
  std::vector<int32_t> ids;    ///< [T, k], best first
  std::vector<float> weights;  ///< [T, k]
};

/// Routes every token. Scores are softmax or sigmoid of the logits in fp32; experts are ranked by score + bias, equal
/// ranks going to the lower expert id. With groups > 1 a group ranks by the sum of its two best experts when there is a
/// bias, by its best one otherwise. Weights are the scores WITHOUT bias, divided by their sum (+ 1e-20) when
/// `renormalize`, times `scale`. Sources: vLLM fused_moe.py grouped_topk and fused_topk; DeepSeek-V3 and NemotronH
/// model code.
/// @throws Error `bad-routing` for top-k > experts, groups that do not divide the experts, too few experts in the
///   chosen groups, or a NaN logit (named by token and expert).
Routing route(const RouteRequest& request);

struct RoutingStats {
  std::vector<int32_t> rows_per_expert;  ///< [E]
  int64_t unique = 0;                    ///< experts with at least one row
  int64_t padded_rows = 0;               ///< rows computed when each expert's rows are padded to tile M; waste = this - T*k
  int32_t max_rows = 0;
};

/// Counts rows by expert. @param tile_m 0 or 1 = no padding
/// @throws Error `bad-routing` for an id outside [0, experts), named by its position.
RoutingStats routing_stats(const int32_t* topk_ids, int64_t pairs, int experts, int tile_m);

}  // namespace moe
