// Activation rows sorted by expert: where each expert's routed pairs lie, worked out by every block from topk_ids alone, and
// the layout of rows that a wgmma descriptor reads.
//
// Rows come in groups of 8 of one expert, the last one padded. A group holds chunks of 64 k, 1024 bytes each: 128 bytes of each
// row, in eight pieces of 16 bytes. Piece j has the columns of fragments.cuh's pair j % 2 of step j / 2, k = 16 q + 2 j + {0, 1}
// for q = 0..3, and lies at place j ^ row: wgmma's 128-byte swizzle. Any number of chunks of a group can so be copied at once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/hopper/routing.cuh"

namespace moe::cuda::hopper {

inline constexpr int kGroupRows = 8;
inline constexpr int kRowPieces = 8;                           ///< of a row in a chunk, 16 bytes each
inline constexpr int kGroupChunkBytes = kGroupRows * kRowPieces * 16;

/// Byte offset, in a chunk of a group, of a piece of row `row` of its eight.
__host__ __device__ constexpr int piece_offset(int row, int piece) { return (row * kRowPieces + (piece ^ row)) * 16; }

/// Byte offset, in a group, of elements k and k + 1 (k even) of row `row` of its eight.
__host__ __device__ constexpr size_t group_offset(int row, int k) {
  return static_cast<size_t>(k / 64) * kGroupChunkBytes + static_cast<size_t>(piece_offset(row, k % 16 / 2) + k % 64 / 16 * 4);
}

/// counts[expert] += what `weigh(pair, expert)` says of each pair. Zeroes counts before; ends with a block barrier.
template <int kThreads, class Weigh>
__device__ __forceinline__ void count_pairs(const int32_t* ids, int pairs, int experts, uint32_t* counts, const Weigh& weigh) {
  constexpr int kAtOnce = 8;
  for (int e = static_cast<int>(threadIdx.x); e < experts; e += kThreads) counts[e] = 0;
  __syncthreads();
  for (int base = static_cast<int>(threadIdx.x); base < pairs; base += kThreads * kAtOnce) {
    int expert[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) expert[i] = base + i * kThreads < pairs ? ids[base + i * kThreads] : -1;
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (expert[i] >= 0) atomicAdd(counts + expert[i], weigh(base + i * kThreads, expert[i]));
    }
  }
  __syncthreads();
}

/// Calls `place(expert, pairs, first group, first tile)` for every expert, its pairs being the low half of counts[expert], and
/// returns the number of tiles of up to `tile_rows` rows. `totals` is [kThreads / 32] in shared memory. The caller
/// synchronises before it reads what others placed.
template <int kThreads, class Place>
__device__ __forceinline__ int place_experts(const uint32_t* counts, int experts, int tile_rows, uint32_t* totals, const Place& place) {
  const int span = (experts + kThreads - 1) / kThreads;
  const int first = min(experts, static_cast<int>(threadIdx.x) * span);
  const int last = min(experts, first + span);
  const auto size_of = [&](uint32_t rows) { return (rows + kGroupRows - 1) / kGroupRows | (rows + static_cast<uint32_t>(tile_rows) - 1) / static_cast<uint32_t>(tile_rows) << 16U; };
  uint32_t sum = 0;  // groups in the low half, tiles in the high half
  for (int e = first; e < last; ++e) sum += size_of(counts[e] & 0xFFFFU);
  auto [before, all] = scan_block<kThreads>(sum, totals);
  for (int e = first; e < last; ++e) {
    const uint32_t rows = counts[e] & 0xFFFFU;
    place(e, static_cast<int>(rows), static_cast<int>(before & 0xFFFFU), static_cast<int>(before >> 16U));
    before += size_of(rows);
  }
  return static_cast<int>(all >> 16U);
}

}  // namespace moe::cuda::hopper
