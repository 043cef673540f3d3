// Grid, tiles and shared memory of the fused kernel: host code only.
#include <algorithm>

#include "cuda/hopper/fused_roles.cuh"
#include "cuda/hopper/launch_grouped.cuh"

namespace moe::cuda::hopper {
namespace {

constexpr int kMinSlots = 2;  ///< of a group: fewer do not keep DRAM busy

int rounded(int bytes) { return (bytes + 127) / 128 * 128; }

}  // namespace

double busiest_block(const Pass& pass, const FusedGrid& grid) {
  const double fc1 = static_cast<double>(pass.w13.units) * pass.w13.chunks / grid.blocks;
  if (grid.cluster == 0) return fc1 + static_cast<double>(pass.w2.units) * pass.w2.chunks / grid.blocks;
  const int clusters = grid.blocks / grid.cluster;
  return fc1 + static_cast<double>((pass.w2.units + clusters - 1) / clusters) * pass.w2.chunks / grid.cluster;
}

FusedPlan plan_fused(const Pass& pass, const FusedTuning& tuning, const FusedGrid& grid) {
  FusedPlan plan;
  const int pairs = pass.pairs();
  if (pairs > kMaxFusedPairs || grid.blocks == 0) return plan;
  plan.groups = tuning.groups != 0 ? tuning.groups : kMaxGroups;
  plan.tile_rows = std::min({8, pass.tokens, tuning.tile_rows != 0 ? tuning.tile_rows : 4});
  plan.stage_chunks = tuning.stage_chunks != 0 ? std::min(tuning.stage_chunks, kMaxStageChunks) : kMaxStageChunks;
  plan.slots = tuning.slots != 0 ? tuning.slots : kMaxSlots;
  plan.in_flight = tuning.in_flight != 0 ? tuning.in_flight : 2;
  plan.tiles = max_tiles(pairs, pass.experts, plan.tile_rows);
  FusedLayout& at = plan.layout;
  int next = FusedBarriers::kCount * 8;
  const auto place = [&](int bytes) {
    const int offset = next;
    next += (bytes + 15) / 16 * 16;
    return offset;
  };
  at.misc = place(4);
  at.keys = place(pairs * 4);
  at.pairs = place(pairs * 2);
  at.starts = place(pairs);
  at.weights = place(pairs * 4);
  at.tiles = place(plan.tiles * 4);
  at.scales = place(plan.tiles * 12);
  at.partials = place(kPartials * kGroupWarps * plan.tile_rows * kSumStride * 4);
  at.region = rounded(next);
  at.total = kSharedPerSm;
  // Rows of the tiles that a block's FC1 items can touch, and FC2's sums, which take their place.
  const int items = (plan.tiles * pass.w13.units + grid.blocks - 1) / grid.blocks;
  const int touched = (items + pass.w13.units - 2) / pass.w13.units + 1;
  const int rows = std::min(pairs, touched * plan.tile_rows) * (pass.w13.chunks * kRowChunkBytes + kRowPad);
  const int clusters = grid.blocks / grid.cluster;
  const int sums = (pass.w2.units + clusters - 1) / clusters * pairs * kUnitRows * 4;
  const int ring = at.total - at.region - rounded(std::max(rows, sums));
  plan.fits = std::min(plan.slots, ring / (kGroupWarps * plan.stage_chunks * kChunkBytes)) >= kMinSlots * plan.groups;
  return plan;
}

}  // namespace moe::cuda::hopper
