// Which tile a cluster takes next.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/cutlass/expert_gemm.h"

namespace moe::cuda::cutlass_path {

constexpr int kGroups = 2;   ///< warp groups that multiply, a block of weights each
constexpr int kCluster = 2;  ///< CTAs that share a tile of tokens

struct Schedule {
  const int32_t* offsets;
  int experts, blocks;  ///< blocks: of an expert's weights
  __device__ __forceinline__ int clusters_along_n() const { return (blocks + kGroups * kCluster - 1) / (kGroups * kCluster); }
};

struct Tile {
  int expert, block;          ///< block: the CTA's first of two
  int first_row, rows, width; ///< width: a multiple of 8 with all tiles of an expert alike
};

/// In shared memory: what finding a tile reads.
struct TileTable {
  int32_t tiles[kMaxExperts + 1];    ///< token tiles of the experts before
  int32_t offsets[kMaxExperts + 1];  ///< their rows
};

/// One warp fills the table, with tiles of at most `most` tokens.
__device__ __forceinline__ void fill_table(const Schedule& schedule, int most, TileTable& table) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  int before = 0;
  for (int first = 0; first < schedule.experts; first += 32) {
    const int expert = first + lane;
    int own = 0;
    if (expert < schedule.experts) {
      const int from = schedule.offsets[expert];
      table.offsets[expert] = from;
      own = (schedule.offsets[expert + 1] - from + most - 1) / most;
    }
    int to = own;
    for (int step = 1; step < 32; step *= 2) {
      const int other = __shfl_up_sync(0xFFFFFFFFU, to, step);
      if (lane >= step) to += other;
    }
    if (expert < schedule.experts) table.tiles[expert] = before + to - own;
    before += __shfl_sync(0xFFFFFFFFU, to, 31);
  }
  if (lane == 0) {
    table.tiles[schedule.experts] = before;
    table.offsets[schedule.experts] = schedule.offsets[schedule.experts];
  }
}

/// Tiles of an expert: tokens vary first, so that clusters side by side read the same weights.
__device__ __forceinline__ Tile find_tile(const Schedule& schedule, const TileTable& table, int index, uint32_t rank) {
  const int along_n = schedule.clusters_along_n();
  int low = 0;
  int high = schedule.experts;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (table.tiles[middle] * along_n <= index) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const int local = index - table.tiles[low] * along_n;
  const int count = table.tiles[low + 1] - table.tiles[low];
  const int column = local / count;
  const int end = table.offsets[low + 1];
  const int first = table.offsets[low];
  const int width = ((end - first + count - 1) / count + 7) / 8 * 8;
  const int from = first + (local - column * count) * width;
  return {low, (column * kCluster + static_cast<int>(rank)) * kGroups, from, min(width, end - from), width};
}

}  // namespace moe::cuda::cutlass_path
