// What the dispatcher answers: the path and kernel of one batch, and every rule that led there.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "provider.h"

namespace moe {

/// Where a value came from. `kind` is one of OriginSchema in electron/contract/layer.ts: "constant", "environment", ...
struct Origin {
  std::string kind;
  std::string where;
};

/// Rows below `rows_per_expert_below` * experts take `tile_m`.
struct TileMRule {
  int rows_per_expert_below;
  int tile_m;
};

/// Up to `max_routed_pairs` routed pairs the kernel was tuned to run with `clusters` resident clusters.
struct ClusterRule {
  int max_routed_pairs;
  int clusters;
};

/// Cut-overs of one FlashInfer release; the values come from a rule file (electron/engine/dispatch/rules), never from
/// here. Same keys as RuleLimits of electron/engine/native/binding.ts.
struct RuleLimits {
  std::string id;
  int direct_micro_max_tokens = 0;
  int direct_micro_max_routed_pairs = 0;  ///< exclusive: routed pairs must be below it
  int direct_micro_max_intermediate = 0;
  int direct_micro_max_hidden = 0;
  int direct_micro_max_top_k = 0;
  int micro_max_tokens = 0;
  int micro_max_routed_pairs = 0;
  int micro_max_routed_pairs_top_k1 = 0;
  int static_max_routed_pairs = 0;
  std::vector<TileMRule> dynamic_tile_m;  ///< ascending
  int dynamic_tile_m_default = 0;
  int dynamic_tile_m_non_gated = 0;
  int intermediate_tile = 0;  ///< the intermediate size is padded to a multiple of it
  std::vector<ClusterRule> micro_clusters;  ///< ascending; may be empty: the release has no ladder
  std::vector<ClusterRule> static_clusters;
  std::vector<ClusterRule> dynamic_clusters;
};

enum class ForcedPath { kAuto, kB12x, kCutlass, kReference };

struct DecideRequest {
  int tokens = 0;
  int top_k = 0;
  int experts = 0;
  int hidden = 0;
  int intermediate = 0;  ///< as the model has it, not padded
  bool gated = true;
  int threshold = 0;  ///< cutlass_prefill_threshold in tokens; 0 = pure b12x
  Origin threshold_origin;
  ForcedPath force = ForcedPath::kAuto;
  RuleLimits limits;
  std::map<std::string, Origin> origins;  ///< by RuleLimits key; a missing key is a constant of the rule file
  std::optional<int> sm_count;   ///< streaming multiprocessors of the device, where it is known
  std::optional<int> idle_sms;   ///< SMs that 128x128 tiles would leave idle, for callers that know only this
};

using StepValue = std::variant<double, std::string, bool>;

/// One evaluated rule. `outcome` is the truth of "value comparison limit"; `leads` says what that outcome leads to.
struct DecisionStep {
  std::string name;
  StepValue value;
  std::string comparison;
  StepValue limit;
  std::string unit;
  bool outcome = false;
  std::string leads;
  Origin origin;
};

/// Tile sizes are 0 where the kernel has no tile of its own (direct micro, reference).
struct Decision {
  moe_path path = MOE_PATH_B12X;
  moe_kernel kernel = MOE_KERNEL_STATIC;
  int tile_m = 0;
  int tile_n = 0;
  int tokens = 0;
  int routed_pairs = 0;
  int threshold = 0;
  std::string rules;
  std::vector<DecisionStep> steps;  ///< in the order of evaluation; rules never reached are absent
};

/// "b12x", "cutlass", "reference"; "direct-micro", ... : the names of electron/contract/layer.ts.
const char* path_name(moe_path path);
const char* kernel_name(moe_kernel kernel);

std::ostream& operator<<(std::ostream& out, const DecisionStep& step);
std::ostream& operator<<(std::ostream& out, const Decision& decision);

}  // namespace moe
