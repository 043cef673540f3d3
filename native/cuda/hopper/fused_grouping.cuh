// Grouping of up to 512 routed pairs by expert, by a whole block: the order of routing.cuh with fewer barriers.
#pragma once

#include "cuda/hopper/routing.cuh"

namespace moe::cuda::hopper {

inline constexpr int kMaxFusedPairs = 512;

/// In shared memory. A key is expert * 512 + pair: keys are distinct and their order is the order of rows.
struct FusedRouting {
  uint32_t* keys;    ///< [P]
  uint16_t* pairs;   ///< [P], pair by row
  uint8_t* starts;   ///< [P], rows of the tile that starts at this row, 0 where none does
  RowTile* tiles;
  int* tile_count;
};

/// By all threads of the block once all keys are there; ends with a block barrier. Four lanes count for one pair.
__device__ __forceinline__ void group_few_pairs(const FusedRouting& out, int pairs, int tile_rows) {
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
  const int step = static_cast<int>(blockDim.x) / 4;
  for (int base = 0; base < pairs; base += step) {
    const int pair = base + thread / 4;
    const uint32_t key = pair < pairs ? out.keys[pair] : 0;
    const uint32_t first = key & ~(kMaxFusedPairs - 1U);
    int before = 0;         // keys below this one
    int before_expert = 0;  // of experts below
    int through_expert = 0; // of experts up to this one
    for (int other = thread % 4; other < pairs; other += 4) {
      const uint32_t value = out.keys[other];
      before += value < key;
      before_expert += value < first;
      through_expert += value < first + kMaxFusedPairs;
    }
#pragma unroll
    for (int step_lanes = 1; step_lanes < 4; step_lanes *= 2) {
      before += __shfl_xor_sync(0xFFFFFFFFU, before, step_lanes);
      before_expert += __shfl_xor_sync(0xFFFFFFFFU, before_expert, step_lanes);
      through_expert += __shfl_xor_sync(0xFFFFFFFFU, through_expert, step_lanes);
    }
    if (pair < pairs && thread % 4 == 0) {
      out.pairs[before] = static_cast<uint16_t>(pair);
      out.starts[before] = static_cast<uint8_t>((before - before_expert) % tile_rows == 0 ? min(tile_rows, through_expert - before) : 0);
    }
  }
  __syncthreads();
  const int words = (pairs + 31) / 32;
  for (int word = thread / 32; word < words; word += static_cast<int>(blockDim.x) / 32) {
    int tile = 0;
    for (int earlier = 0; earlier < word; ++earlier) tile += __popc(__ballot_sync(0xFFFFFFFFU, out.starts[earlier * 32 + lane] != 0));
    const int row = word * 32 + lane;
    const int rows = row < pairs ? out.starts[row] : 0;
    const uint32_t starts = __ballot_sync(0xFFFFFFFFU, rows != 0);
    if (rows != 0) out.tiles[tile + __popc(starts & ((1U << lane) - 1U))] = RowTile::of(static_cast<int>(out.keys[out.pairs[row]] / kMaxFusedPairs), row, rows);
    if (word == words - 1 && lane == 0) *out.tile_count = tile + __popc(starts);
  }
  __syncthreads();
}

}  // namespace moe::cuda::hopper
