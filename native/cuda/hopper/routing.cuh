// Grouping of routed pairs by expert inside a block, from topk_ids alone, so that a kernel can start on its weights without
// waiting for another kernel. Every block comes to the same order: experts ascending, within an expert in pair order.
#pragma once

#include <cstdint>

namespace moe::cuda::hopper {

inline constexpr int kMaxPairs = 4096;   ///< of one pass over the layer (a tile word has 12 bits for its first row)
inline constexpr int kMaxExperts = 512;

/// A row tile: up to 64 pairs of one expert that go through the MMA together.
struct RowTile {
  uint32_t bits;  ///< expert 0..9, first row 10..22, rows - 1 in 23..31
  __device__ __forceinline__ int expert() const { return static_cast<int>(bits & 1023U); }
  __device__ __forceinline__ int first() const { return static_cast<int>(bits >> 10U & 8191U); }
  __device__ __forceinline__ int rows() const { return static_cast<int>(bits >> 23U) + 1; }
  static __device__ __forceinline__ RowTile of(int expert, int first, int rows) {
    return {static_cast<uint32_t>(expert) | static_cast<uint32_t>(first) << 10U | static_cast<uint32_t>(rows - 1) << 23U};
  }
};

/// Division of a pair index by top-k as a multiplication: exact below 2^16 for divisors up to 2^16, since
/// ceil(2^32 / d) exceeds 2^32 / d by less than 1. A divisor of 1 is written as 0.
constexpr uint32_t divisor_of(int divisor) { return divisor == 1 ? 0U : static_cast<uint32_t>(((uint64_t{1} << 32U) + static_cast<uint64_t>(divisor) - 1) / static_cast<uint64_t>(divisor)); }
__device__ __forceinline__ uint32_t row_of_pair(uint32_t pair, uint32_t divisor) { return divisor == 0 ? pair : __umulhi(pair, divisor); }

/// In shared memory: what group_pairs() leaves.
struct Routing {
  RowTile* tiles;    ///< [max_tiles()]
  uint16_t* pairs;   ///< [P], pair index by row
  int* tile_count;
};

/// The most tiles that P pairs over E experts can give: each expert adds at most one partial tile.
constexpr int max_tiles(int pairs, int experts, int tile_rows) { return (pairs + (pairs < experts ? pairs : experts) * (tile_rows - 1)) / tile_rows; }

/// Bytes of `scratch` that group_pairs() needs.
constexpr int routing_scratch_bytes(int experts, int warps) { return 2 * experts * warps + 4 * warps; }

/// One warp is enough for up to 32 pairs.
__device__ __forceinline__ void group_pairs_in_warp(const int32_t* ids, int pairs, int tile_rows, const Routing& out) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const bool mine = lane < pairs;
  const int expert = mine ? ids[lane] : 1 << 20;
  const uint32_t same = __match_any_sync(0xFFFFFFFFU, expert);
  const int rank = __popc(same & ((1U << lane) - 1U));
  int position = 0;
  int tile = 0;
  for (int other = 0; other < pairs; ++other) {
    const int e = __shfl_sync(0xFFFFFFFFU, expert, other);
    const int other_rank = __shfl_sync(0xFFFFFFFFU, rank, other);
    position += e < expert;
    tile += e < expert && other_rank % tile_rows == 0;
  }
  position += rank;
  tile += rank / tile_rows;
  if (mine) {
    out.pairs[position] = static_cast<uint16_t>(lane);
    if (rank % tile_rows == 0) out.tiles[tile] = RowTile::of(expert, position, min(tile_rows, __popc(same) - rank));
  }
  const uint32_t starts = __ballot_sync(0xFFFFFFFFU, mine && rank % tile_rows == 0);
  if (lane == 0) *out.tile_count = __popc(starts);
}

/// The sum of `own` over the threads before this one, and over all of the block.
struct BlockScan {
  uint32_t before, all;
};

/// By all kThreads threads; `totals` is [kThreads / 32] in shared memory. Synchronises the block once.
template <int kThreads>
__device__ __forceinline__ BlockScan scan_block(uint32_t own, uint32_t* totals) {
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int lane = static_cast<int>(threadIdx.x % 32);
  uint32_t before = own;
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const uint32_t other = __shfl_up_sync(0xFFFFFFFFU, before, step);
    if (lane >= step) before += other;
  }
  if (lane == 31) totals[warp] = before;
  before -= own;
  __syncthreads();
  uint32_t all = 0;
  for (int w = 0; w < kThreads / 32; ++w) {
    if (w < warp) before += totals[w];
    all += totals[w];
  }
  return {before, all};
}

/// Stable counting sort by a block of kWarps warps; ends with a block barrier. `scratch`: routing_scratch_bytes().
template <int kWarps>
__device__ __forceinline__ void group_pairs(const int32_t* ids, int pairs, int experts, int tile_rows, const Routing& out, uint8_t* scratch) {
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int lane = static_cast<int>(threadIdx.x % 32);
  if (pairs <= 32) {
    if (warp == 0) group_pairs_in_warp(ids, pairs, tile_rows, out);
    __syncthreads();
    return;
  }
  uint32_t* totals = reinterpret_cast<uint32_t*>(scratch);                  // [warps]
  uint16_t* counts = reinterpret_cast<uint16_t*>(scratch + 4 * kWarps);     // [warps, experts]
  for (int i = static_cast<int>(threadIdx.x); i < kWarps * experts; i += kWarps * 32) counts[i] = 0;
  __syncthreads();
  uint16_t* own = counts + warp * experts;
  const int segment = (pairs + kWarps * 32 - 1) / (kWarps * 32) * 32;
  const int end = min(pairs, (warp + 1) * segment);
  for (int base = warp * segment; base < end; base += 32) {
    const int expert = base + lane < end ? ids[base + lane] : 1 << 20;
    const uint32_t same = __match_any_sync(0xFFFFFFFFU, expert);
    if (base + lane < end && lane == __ffs(same) - 1) own[expert] = static_cast<uint16_t>(own[expert] + __popc(same));
    __syncwarp();
  }
  __syncthreads();
  // Each thread owns consecutive experts: rows and tiles before them by a block scan.
  const int span = (experts + kWarps * 32 - 1) / (kWarps * 32);
  const int first = min(experts, static_cast<int>(threadIdx.x) * span);
  const int last = min(experts, first + span);
  uint32_t sum = 0;  // rows in the low half, tiles in the high half
  for (int e = first; e < last; ++e) {
    uint32_t count = 0;
    for (int w = 0; w < kWarps; ++w) count += counts[w * experts + e];
    sum += count + ((count + tile_rows - 1) / tile_rows << 16U);
  }
  auto [before, all] = scan_block<kWarps * 32>(sum, totals);
  if (threadIdx.x == 0) *out.tile_count = static_cast<int>(all >> 16U);
  for (int e = first; e < last; ++e) {
    const int row = static_cast<int>(before & 0xFFFFU);
    int tile = static_cast<int>(before >> 16U);
    int count = 0;
    for (int w = 0; w < kWarps; ++w) {
      const int part = counts[w * experts + e];
      counts[w * experts + e] = static_cast<uint16_t>(row + count);
      count += part;
    }
    for (int done = 0; done < count; done += tile_rows) out.tiles[tile++] = RowTile::of(e, row + done, min(tile_rows, count - done));
    before += static_cast<uint32_t>(count) + (static_cast<uint32_t>((count + tile_rows - 1) / tile_rows) << 16U);
  }
  __syncthreads();
  for (int base = warp * segment; base < end; base += 32) {
    const bool mine = base + lane < end;
    const int expert = mine ? ids[base + lane] : 1 << 20;
    const uint32_t same = __match_any_sync(0xFFFFFFFFU, expert);
    const int row = mine ? own[expert] + __popc(same & ((1U << lane) - 1U)) : 0;
    __syncwarp();
    if (mine) {
      out.pairs[row] = static_cast<uint16_t>(base + lane);
      if (lane == __ffs(same) - 1) own[expert] = static_cast<uint16_t>(own[expert] + __popc(same));
    }
    __syncwarp();
  }
  __syncthreads();
}

}  // namespace moe::cuda::hopper
