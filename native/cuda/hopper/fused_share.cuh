// What a block of the fused kernel has to do, and in which order its warps go through it.
#pragma once

#include "cuda/hopper/fused.h"
#include "cuda/hopper/quantized_activation.cuh"
#include "cuda/hopper/quantized_x.cuh"
#include "cuda/hopper/routing.cuh"

namespace moe::cuda::hopper {

inline constexpr int kGroupWarps = 4;      ///< that share an item's k, in quarters, as stream.cuh's four do
inline constexpr int kMaxGroups = 3;
inline constexpr int kFinishers = 3;       ///< warps that turn partial sums into results
inline constexpr int kFusedThreads = (kMaxGroups * kGroupWarps + 1 + kFinishers) * 32;
inline constexpr int kMaxStageChunks = 4;  ///< of a warp
inline constexpr int kMaxSlots = 32;
/// Items whose partial sums may wait for a finisher. A multiple of the groups and of the finishers, so that a buffer always has
/// the same writers and the same reader: a parity tells one phase from the next only to who sees every phase.
inline constexpr int kPartials = 6;
inline constexpr int kSumStride = kUnitRows + 4;  ///< floats between columns of partial sums, against bank conflicts

/// Barriers at the start of shared memory, 8 bytes each.
struct FusedBarriers {
  static constexpr int kFull = 0, kEmpty = kMaxSlots, kSummed = 2 * kMaxSlots, kTaken = kSummed + kPartials, kActReady = kTaken + kPartials, kCount = kActReady + 1;
  uint32_t base;
  __device__ __forceinline__ uint32_t at(int index) const { return base + static_cast<uint32_t>(index) * 8; }
};

struct FusedWork {
  const uint8_t *w13, *w2;
  const int32_t* topk_ids;
  const float* topk_weights;
  XSource x;
  Fc1Output fc1;
  const float* fc2_multiplier;
  float* fc2_tap;
  uint16_t* y;
  uint32_t* border;
  int tokens, top_k, pairs, experts, hidden, intermediate, fc1_units, fc1_chunks, fc2_units, fc2_chunks;
  int cluster;
  FusedPlan plan;
};

/// A block's part: FC1 items from fc1_first on in (tile, unit) order; of FC2 the units of its cluster, of
/// each the tiles `rank`, `rank + cluster`, .... Items are numbered through; group g of warps has items g, g + groups, ....
struct FusedShare {
  int fc1_first, fc1_items, items;
  int rank, cluster, cluster_index, clusters, fc2_tiles, fc2_units;
  int first_row;  ///< of its FC1 tiles
};

struct FusedItem {
  int tile, unit;
  int local_unit;  ///< of FC2: which of the cluster's
};

__device__ __forceinline__ FusedItem fc1_item(const FusedWork& work, const FusedShare& share, int item) {
  const int at = share.fc1_first + item;
  const int tile = at / work.fc1_units;
  return {tile, at - tile * work.fc1_units, 0};
}

__device__ __forceinline__ FusedItem fc2_item(const FusedShare& share, int item) {
  const int at = item - share.fc1_items;
  const int local = at / share.fc2_tiles;
  return {share.rank + share.cluster * (at - local * share.fc2_tiles), share.cluster_index + share.clusters * local, local};
}

__device__ __forceinline__ FusedShare share_of(const FusedWork& work, const RowTile* tiles, int tile_count) {
  FusedShare share;
  const int blocks = static_cast<int>(gridDim.x);
  const int block = static_cast<int>(blockIdx.x);
  const int all = tile_count * work.fc1_units;
  share.fc1_first = all * block / blocks;  // plan_fused() sees to it that this does not overflow
  share.fc1_items = all * (block + 1) / blocks - share.fc1_first;
  share.first_row = share.fc1_items > 0 ? tiles[share.fc1_first / work.fc1_units].first() : 0;
  share.cluster = work.cluster;
  share.rank = block % work.cluster;
  share.cluster_index = block / work.cluster;
  share.clusters = blocks / work.cluster;
  share.fc2_units = share.cluster_index < work.fc2_units ? (work.fc2_units - share.cluster_index + share.clusters - 1) / share.clusters : 0;
  share.fc2_tiles = share.rank < tile_count ? (tile_count - share.rank + share.cluster - 1) / share.cluster : 0;
  share.items = share.fc1_items + share.fc2_units * share.fc2_tiles;
  return share;
}

/// Stages of an item: those of its longest quarter.
__device__ __forceinline__ int stages_of(int chunks, int stage_chunks) { return ((chunks + kGroupWarps - 1) / kGroupWarps + stage_chunks - 1) / stage_chunks; }

}  // namespace moe::cuda::hopper
