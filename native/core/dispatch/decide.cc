#include "core/dispatch/decide.h"

#include "core/error/error.h"
#include "core/dispatch/chain.h"
#include "core/dispatch/tiles.h"

namespace moe {

namespace {

void check(const DecideRequest& request) {
  const auto positive = [](const char* name, int value) {
    if (value > 0) return;
    throw Error(code::kUsage, std::string("cannot decide a batch: ") + name + " must be positive, found " + std::to_string(value),
                {{"subject", std::string(name)}, {"expected", std::string("> 0")}, {"found", std::to_string(value)}});
  };
  positive("tokens", request.tokens);
  positive("topK", request.top_k);
  positive("experts", request.experts);
  positive("hidden", request.hidden);
  positive("intermediate", request.intermediate);
  if (request.threshold < 0) {
    throw Error(code::kUsage, "the threshold must be 0 (off) or a number of tokens, found " + std::to_string(request.threshold),
                {{"subject", std::string("threshold")}, {"expected", std::string(">= 0")}, {"found", std::to_string(request.threshold)}});
  }
  const RuleLimits& limits = request.limits;
  if (limits.intermediate_tile <= 0 || limits.dynamic_tile_m_default <= 0 || limits.dynamic_tile_m_non_gated <= 0) {
    throw Error(code::kBadRules, "rule file " + limits.id + " has a tile size that is not positive",
                {{"subject", limits.id}, {"expected", std::string("> 0")}, {"found", std::string("<= 0")}});
  }
}

/// Forced path or threshold gate; true when the batch stays on b12x.
bool choose_path(Chain& chain, const DecideRequest& request, Decision& decision) {
  if (request.force != ForcedPath::kAuto) {
    const moe_path forced = request.force == ForcedPath::kB12x      ? MOE_PATH_B12X
                            : request.force == ForcedPath::kCutlass ? MOE_PATH_CUTLASS
                                                                    : MOE_PATH_REFERENCE;
    decision.path = forced;
    chain.is_not("forced path", path_name(forced), "auto", "path", std::string(path_name(forced)) + ", threshold gate skipped",
                 chain.origin("force", {"argument", "force"}));
    return forced == MOE_PATH_B12X;
  }
  if (request.threshold == 0) {
    chain.greater("hybrid threshold set", 0, 0, "tokens", {"threshold gate", "b12x, hybrid is off"}, request.threshold_origin);
    return true;
  }
  const bool prefill = chain.at_least("hybrid threshold", request.tokens, request.threshold, "tokens", {"CUTLASS", "b12x"},
                                      request.threshold_origin);
  decision.path = prefill ? MOE_PATH_CUTLASS : MOE_PATH_B12X;
  return !prefill;
}

bool takes_direct_micro(Chain& chain, const DecideRequest& request, int routed, int padded) {
  const RuleLimits& limits = request.limits;
  const Leads leads{"next condition of direct micro", "micro rules"};
  return chain.at_most("direct micro: tokens", request.tokens, limits.direct_micro_max_tokens, "tokens", leads,
                       chain.limit_origin("directMicroMaxTokens")) &&
         chain.below("direct micro: routed pairs", routed, limits.direct_micro_max_routed_pairs, "routed pairs", leads,
                     chain.limit_origin("directMicroMaxRoutedPairs")) &&
         chain.at_most("direct micro: padded intermediate", padded, limits.direct_micro_max_intermediate, "columns", leads,
                       chain.limit_origin("directMicroMaxIntermediate")) &&
         // A warp reads 128 activations at a time: k % 128 in MoEDirectMicroKernel.is_supported.
         chain.equal("direct micro: hidden modulo 128", request.hidden % 128, 0, "columns", leads, chain.limit_origin("hidden")) &&
         chain.at_most("direct micro: hidden", request.hidden, limits.direct_micro_max_hidden, "columns", leads,
                       chain.limit_origin("directMicroMaxHidden")) &&
         chain.equal("direct micro: padded intermediate modulo 16", padded % 16, 0, "columns", leads,
                     chain.limit_origin("intermediate")) &&
         chain.at_most("direct micro: top-k", request.top_k, limits.direct_micro_max_top_k, "experts a token",
                       {"direct micro", "micro rules"}, chain.limit_origin("directMicroMaxTopK"));
}

bool takes_micro(Chain& chain, const DecideRequest& request, int routed) {
  const RuleLimits& limits = request.limits;
  if (!chain.at_most("micro: tokens", request.tokens, limits.micro_max_tokens, "tokens", {"next condition of micro", "static"},
                     chain.limit_origin("microMaxTokens"))) {
    return false;
  }
  const bool single = request.top_k == 1;
  return chain.at_most(single ? "micro: routed pairs (top-k 1)" : "micro: routed pairs", routed,
                       single ? limits.micro_max_routed_pairs_top_k1 : limits.micro_max_routed_pairs, "routed pairs",
                       {"micro", "static"},
                       chain.limit_origin(single ? "microMaxRoutedPairsTopK1" : "microMaxRoutedPairs"));
}

moe_kernel choose_b12x_kernel(Chain& chain, const DecideRequest& request, int routed, int padded) {
  if (chain.greater("static cut-over", routed, request.limits.static_max_routed_pairs, "routed pairs",
                    {"dynamic", "small-batch rules"}, chain.limit_origin("staticMaxRoutedPairs"))) {
    return MOE_KERNEL_DYNAMIC;
  }
  if (takes_direct_micro(chain, request, routed, padded)) return MOE_KERNEL_DIRECT_MICRO;
  return takes_micro(chain, request, routed) ? MOE_KERNEL_MICRO : MOE_KERNEL_STATIC;
}

}  // namespace

Decision decide(const DecideRequest& request) {
  check(request);
  Decision decision;
  decision.tokens = request.tokens;
  decision.threshold = request.threshold;
  decision.rules = request.limits.id;
  decision.routed_pairs = request.tokens * request.top_k;
  const int tile = request.limits.intermediate_tile;
  const int padded = (request.intermediate + tile - 1) / tile * tile;

  Chain chain(request, decision.steps);
  if (choose_path(chain, request, decision)) {
    decision.kernel = choose_b12x_kernel(chain, request, decision.routed_pairs, padded);
    choose_tiles(chain, request, padded, decision);
  } else if (decision.path == MOE_PATH_CUTLASS) {
    // The grouped GEMM tile every SM12x build has (nvfp4-moe facts 5.3); the autotuner may take another.
    decision.kernel = MOE_KERNEL_CUTLASS;
    decision.tile_m = 128;
    decision.tile_n = 128;
  } else {
    decision.kernel = MOE_KERNEL_REFERENCE;
  }
  return decision;
}

}  // namespace moe
