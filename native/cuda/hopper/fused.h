// The decode pass in one kernel: FC1, FC2 and the sum over slots by one block on every SM, with the weights' ring running on
// from FC1 into FC2. Same sums in the same order as the separate kernels, so the same bits.
#pragma once

#include "cuda/hopper/work.h"

namespace moe::cuda::hopper {

/// Where things lie in a block's shared memory, in bytes; the ring takes what is left behind the region.
struct FusedLayout {
  int misc = 0, keys = 0, pairs = 0, starts = 0, weights = 0, tiles = 0, scales = 0, partials = 0, region = 0;
  int total = 0;
};

/// How the fused kernel is launched.
struct FusedPlan {
  bool fits = false;
  int groups = 0;        ///< of four warps, each with an item of its own
  int tile_rows = 0;     ///< rows of a tile: 1..8
  int stage_chunks = 0;  ///< chunks a warp asks for at once: 1..4
  int slots = 0;         ///< of all groups' rings, at most
  int in_flight = 0;     ///< stages of a group that memory is asked for at once
  int tiles = 0;         ///< the most row tiles any routing gives
  FusedLayout layout;
};

struct FusedGrid {
  int cluster = 1;  ///< blocks that share output rows, 1, 2, 4 or 8
  int blocks = 0;   ///< at most the SM count; a multiple of `cluster`
};

/// Weight chunks of each expert that the busiest block reads. @param grid cluster 0: even shares
double busiest_block(const Pass& pass, const FusedGrid& grid);

/// `fits` is false where shared memory does not do for some routing of so many pairs.
FusedPlan plan_fused(const Pass& pass, const FusedTuning& tuning, const FusedGrid& grid);

/// @returns false, with nothing enqueued, where plan_fused() says that it does not fit
bool enqueue_fused(const Pass& pass, const FusedTuning& tuning, cudaStream_t stream);

}  // namespace moe::cuda::hopper
