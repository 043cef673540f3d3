#include "core/dispatch/tiles.h"

#include <algorithm>

namespace moe {

namespace {

constexpr int kTile = 128;
constexpr int kNarrowTileM = 64;
const Leads kNarrowOrNext{"tile 64x128", "next tile rule"};

/// The first rung that holds the batch; 0 where the ladder ends below it. Each ladder is data of the rule file.
int look_up_clusters(Chain& chain, const char* kernel, const char* key, const std::vector<ClusterRule>& ladder, int routed) {
  if (ladder.empty()) return 0;
  const auto rung = std::find_if(ladder.begin(), ladder.end(), [&](const ClusterRule& rule) { return routed <= rule.max_routed_pairs; });
  const bool found = rung != ladder.end();
  chain.at_most(std::string("cluster ladder of ") + kernel, routed, found ? rung->max_routed_pairs : ladder.back().max_routed_pairs,
                "routed pairs",
                {found ? "at most " + std::to_string(rung->clusters) + " resident clusters" : "", "as many clusters as the device holds"},
                chain.limit_origin(key));
  return found ? rung->clusters : 0;
}

/// SMs left without a 128x128 tile, as `coarse_tiles <= sm_count // 2` asks: idle >= tiles is the same condition.
bool leaves_half_idle(Chain& chain, const DecideRequest& request, int coarse_tiles) {
  const Leads leads{"tile 64x128", "tile 128x128"};
  const Origin device = chain.origin("idleSms", {"capability", "streaming multiprocessors of the device"});
  if (!request.sm_count && !request.idle_sms) {
    chain.is("idle SMs under 128x128 tiles", "unknown", "known", "SMs", leads, device);
    return false;
  }
  const int idle = request.sm_count ? std::max(0, *request.sm_count - coarse_tiles) : *request.idle_sms;
  return chain.at_least("idle SMs under 128x128 tiles", idle, coarse_tiles, "SMs", leads, device);
}

/// True for the narrow 64x128 tile. `clusters` is the tuned count of the static kernel, 0 where it has none.
bool takes_narrow_tile(Chain& chain, const DecideRequest& request, int routed, int padded, int clusters) {
  const Origin constant{"constant", request.limits.id};
  if (chain.at_most("tile: routed pairs", routed, 32, "routed pairs", {"tile: intermediate", "next tile rule"}, constant) &&
      chain.at_most("tile: padded intermediate", padded, 256, "columns", kNarrowOrNext, constant)) {
    return true;
  }
  if (clusters > 0 && request.sm_count) {
    // Fewer clusters than SMs keep the coarse tile: the launch leaves SMs idle on purpose.
    const int resident = std::min(clusters, *request.sm_count);
    if (chain.below("tile: resident clusters", resident, *request.sm_count, "SMs", {"tile 128x128", "next tile rule"},
                    chain.origin("smCount", {"capability", "streaming multiprocessors of the device"}))) {
      return false;
    }
  }
  if (chain.at_most("tile: routed pairs", routed, 64, "routed pairs", kNarrowOrNext, constant)) return true;
  if (!chain.at_most("tile: routed pairs", routed, 128, "routed pairs", {"tile: idle SMs", "tile 128x128"}, constant)) return false;
  const int coarse_tiles = (routed + kTile - 1) / kTile * ((padded + kTile - 1) / kTile);
  return leaves_half_idle(chain, request, coarse_tiles);
}

int choose_dynamic_tile_m(Chain& chain, const DecideRequest& request, int routed) {
  const RuleLimits& limits = request.limits;
  const auto tile_text = [](int tile) { return "tile M " + std::to_string(tile); };
  if (!chain.is("dynamic tile M: activation", request.gated ? "gated" : "not gated", "gated", "activation",
                {"rows per expert", tile_text(limits.dynamic_tile_m_non_gated)}, chain.limit_origin("dynamicTileMNonGated"))) {
    return limits.dynamic_tile_m_non_gated;
  }
  for (const TileMRule& rule : limits.dynamic_tile_m) {
    const bool last = &rule == &limits.dynamic_tile_m.back();
    if (chain.below("dynamic tile M: " + std::to_string(rule.rows_per_expert_below) + " rows an expert", routed,
                    rule.rows_per_expert_below * request.experts, "routed pairs",
                    {tile_text(rule.tile_m), last ? tile_text(limits.dynamic_tile_m_default) : "next tile M"},
                    chain.limit_origin("dynamicTileM"))) {
      return rule.tile_m;
    }
  }
  return limits.dynamic_tile_m_default;
}

}  // namespace

void choose_tiles(Chain& chain, const DecideRequest& request, int padded, Decision& decision) {
  const int routed = decision.routed_pairs;
  const RuleLimits& limits = request.limits;
  switch (decision.kernel) {
    case MOE_KERNEL_MICRO:
      look_up_clusters(chain, "micro", "microClusters", limits.micro_clusters, routed);
      decision.tile_m = takes_narrow_tile(chain, request, routed, padded, 0) ? kNarrowTileM : kTile;
      decision.tile_n = kTile;
      return;
    case MOE_KERNEL_STATIC: {
      const int clusters = look_up_clusters(chain, "static", "staticClusters", limits.static_clusters, routed);
      // The static compiler asks for the narrow tile with more than one expert a token only.
      const bool many = chain.greater("tile: top-k", request.top_k, 1, "experts a token", {"tile rules", "tile 128x128"},
                                      {"constant", limits.id});
      decision.tile_m = many && takes_narrow_tile(chain, request, routed, padded, clusters) ? kNarrowTileM : kTile;
      decision.tile_n = kTile;
      return;
    }
    case MOE_KERNEL_DYNAMIC:
      look_up_clusters(chain, "dynamic", "dynamicClusters", limits.dynamic_clusters, routed);
      decision.tile_m = choose_dynamic_tile_m(chain, request, routed);
      decision.tile_n = kTile;
      return;
    default: return;
  }
}

}  // namespace moe
