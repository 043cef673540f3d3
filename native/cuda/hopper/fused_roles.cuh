// The warps of a fused block: some multiply, one asks for weights, some turn sums into results.
#pragma once

#include "cuda/hopper/finish_unit.cuh"
#include "cuda/hopper/fused_grouping.cuh"
#include "cuda/hopper/fused_share.cuh"
#include "cuda/hopper/fused_sync.cuh"
#include "cuda/hopper/ring.cuh"

namespace moe::cuda::hopper {

/// FC1's input rows of the block's tiles to shared memory, row after row from share.first_row, and the block's part of the
/// taps; by `threads` threads of which this is `thread`.
template <BlockQuantizer kQuantizer>
__device__ __forceinline__ void quantize_rows(const FusedWork& work, const FusedShare& share, const uint16_t* pairs, uint8_t* rows, int count, int stride, int thread, int threads) {
  const int blocks = work.fc1_chunks * 4;
  const bool taps = work.x.x_q != nullptr || work.x.x_sf != nullptr;
  const int x_rows = work.tokens * work.x.rows_per_token;
  const int first_tap = static_cast<int>(blockIdx.x);
  const int tapped = taps && first_tap < x_rows ? (x_rows - first_tap + static_cast<int>(gridDim.x) - 1) / static_cast<int>(gridDim.x) : 0;
#pragma unroll 1
  for (int i = thread; i < (count + tapped) * blocks; i += threads) {
    const int row = i / blocks;
    const int block = i - row * blocks;
    XSource x = work.x;
    x.quantizer = kQuantizer;
    int x_row = first_tap + (row - count) * static_cast<int>(gridDim.x);
    if (row < count) {
      x.x_q = x.x_sf = nullptr;
      const int pair = pairs[share.first_row + row];
      x_row = x.rows_per_token == 1 ? pair / work.top_k : pair;
    }
    uint32_t words[8];
    quantize_x_block(x, load_x_block(x, x_row, block), x_row, block, words);
    if (row >= count) continue;
    uint8_t* to = rows + row * stride + row_offset(block * 16);
    *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
    *reinterpret_cast<uint4*>(to + 64) = make_uint4(words[4], words[5], words[6], words[7]);
  }
}

/// The lane's halves of FC2's input row g for chunks chunk ... chunk + count - 1; zero where there is no row or no column.
__device__ __forceinline__ void load_act(const FusedWork& work, RowTile tile, const uint16_t* pairs, int chunk, int count, uint4 (&rows)[kMaxStageChunks][2]) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int g = lane / 4;
  const int q = lane % 4;
  const bool mine = g < tile.rows();
  const uint8_t* from = work.fc1.act_rows + (static_cast<size_t>(pairs[tile.first() + (mine ? g : 0)]) * work.fc2_chunks + chunk) * kRowChunkBytes + q * 16;
#pragma unroll
  for (int i = 0; i < kMaxStageChunks; ++i) {
    rows[i][0] = rows[i][1] = make_uint4(0, 0, 0, 0);
    if (mine && i < count && ((chunk + i) * 4 + q) * 16 < work.intermediate) {
      rows[i][0] = __ldcg(reinterpret_cast<const uint4*>(from + i * kRowChunkBytes));
      rows[i][1] = __ldcg(reinterpret_cast<const uint4*>(from + i * kRowChunkBytes + 64));
    }
  }
}

__device__ __forceinline__ void store_partials(float* own, int rows, const float (&c)[2][1][4]) {
  const int g = static_cast<int>(threadIdx.x % 32) / 4;
  const int q = static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int t = 0; t < 2; ++t) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int column = 2 * q + i % 2;
      if (column < rows) own[column * kSumStride + 16 * t + g + i / 2 * 8] = c[t][0][i];
    }
  }
}

/// The group's four partial sums of one element, added in warp order as stream.cuh's sum_partials() does.
__device__ __forceinline__ float sum_of_quarters(const float* partials, int warp_floats, int at) {
  float sum = 0;
#pragma unroll
  for (int w = 0; w < kGroupWarps; ++w) sum += partials[w * warp_floats + at];
  return sum;
}

/// What the warps of a block share once the pairs are grouped.
struct FusedBlock {
  FusedRouting routing;
  FusedShare share;
  FusedBarriers barriers;
  uint8_t *rows, *ring;  ///< FC1's input rows, then the first block's FC2 sums; each group's slots of four quarters
  float *weights, *scales, *partials;
  int slots;  ///< of a group
  int slot_bytes, row_stride;
};

/// One warp: asks for the stages of all items in order, as slots become free; lane = quarter.
__device__ __forceinline__ void produce(const FusedWork& work, const FusedBlock& block) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const FusedShare& share = block.share;
  const int stage_chunks = work.plan.stage_chunks;
  RingSlot places[kMaxGroups];
  int asked[kMaxGroups] = {};
  const int in_flight = work.plan.in_flight;
  int group = 0;
#pragma unroll 1
  for (int item = 0; item < share.items; ++item) {
    const bool first = item < share.fc1_items;
    const FusedItem of = first ? fc1_item(work, share, item) : fc2_item(share, item);
    const int chunks = first ? work.fc1_chunks : work.fc2_chunks;
    const int stages = stages_of(chunks, stage_chunks);
    int chunk = lane * chunks / kGroupWarps;
    const int end = (lane + 1) * chunks / kGroupWarps;
    const uint8_t* from = (first ? work.w13 : work.w2) + (static_cast<size_t>(block.routing.tiles[of.tile].expert()) * (first ? work.fc1_units : work.fc2_units) + of.unit) * chunks * kChunkBytes;
    // Arrays are indexed by constants only, so that they stay in registers.
    RingSlot at = group == 0 ? places[0] : group == 1 ? places[1] : places[2];
    int before = group == 0 ? asked[0] : group == 1 ? asked[1] : asked[2];
    const int base = group * block.slots;
#pragma unroll 1
    for (int stage = 0; stage < stages; ++stage) {
      const int count = lane < kGroupWarps ? max(0, min(stage_chunks, end - chunk)) : 0;
      const int all = __reduce_add_sync(0xFFFFFFFFU, count);
      const uint32_t full = block.barriers.at(FusedBarriers::kFull + base + at.slot);
      barrier_wait(block.barriers.at(FusedBarriers::kEmpty + base + at.slot), at.parity ^ 1U);
      // Memory serves what it is asked for in no order: with all of the ring on the way FC1's weights would come as late as
      // FC2's, and every other load of the block with them.
      if (in_flight < block.slots && before >= in_flight) {
        const int back = at.slot - in_flight;
        barrier_wait(block.barriers.at(FusedBarriers::kFull + base + (back < 0 ? back + block.slots : back)), back < 0 ? at.parity ^ 1U : at.parity);
      }
      if (lane == 0) barrier_arrive_expect(full, static_cast<uint32_t>(all * kChunkBytes));
      __syncwarp();
      if (count > 0) bulk_copy_once(shared_address(block.ring + (base + at.slot) * block.slot_bytes + lane * stage_chunks * kChunkBytes), from + static_cast<size_t>(chunk) * kChunkBytes, static_cast<uint32_t>(count * kChunkBytes), full);
      chunk += count;
      ++before;
      at.next(block.slots);
    }
#pragma unroll
    for (int i = 0; i < kMaxGroups; ++i) {
      if (i == group) {
        places[i] = at;
        asked[i] = before;
      }
    }
    if (++group == work.plan.groups) group = 0;
  }
}

/// Hands an item's partial sums to its finisher.
__device__ __forceinline__ void hand_over(const FusedWork& work, const FusedBlock& block, int item, int part, int rows, const float (&c)[2][1][4]) {
  const int buffer = item % kPartials;
  barrier_wait(block.barriers.at(FusedBarriers::kTaken + buffer), (static_cast<uint32_t>(item / kPartials) & 1U) ^ 1U);
  store_partials(block.partials + (buffer * kGroupWarps + part) * work.plan.tile_rows * kSumStride, rows, c);
  __syncwarp();
  if (threadIdx.x % 32 == 0) barrier_arrive(block.barriers.at(FusedBarriers::kSummed + buffer));
}

/// Four warps of a group: the sums of items group, group + groups, ...; each warp a quarter of k.
__device__ __forceinline__ void multiply(const FusedWork& work, const FusedBlock& block, int group, int part) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int g = lane / 4;
  const int q = lane % 4;
  const int groups = work.plan.groups;
  const int stage_chunks = work.plan.stage_chunks;
  const FusedShare& share = block.share;
  const int base = group * block.slots;
  const uint8_t* quarter = block.ring + base * block.slot_bytes + part * stage_chunks * kChunkBytes;
  RingSlot at;
  const auto wait = [&] {
    barrier_wait(block.barriers.at(FusedBarriers::kFull + base + at.slot), at.parity);
    return quarter + at.slot * block.slot_bytes;
  };
  const auto release = [&] {
    __syncwarp();
    if (lane == 0) barrier_arrive(block.barriers.at(FusedBarriers::kEmpty + base + at.slot));
    at.next(block.slots);
  };
  const int stages = stages_of(work.fc1_chunks, stage_chunks);
  const int later_stages = stages_of(work.fc2_chunks, stage_chunks);
  int item = group;
#pragma unroll 1
  for (; item < share.fc1_items; item += groups) {
    const FusedItem of = fc1_item(work, share, item);
    const RowTile tile = block.routing.tiles[of.tile];
    float c[2][1][4] = {};
    int chunk = part * work.fc1_chunks / kGroupWarps;
    const int end = (part + 1) * work.fc1_chunks / kGroupWarps;
    // Columns beyond the tile's rows repeat its last row: finite, and never stored.
    const uint8_t* row = block.rows + (tile.first() - share.first_row + min(g, tile.rows() - 1)) * block.row_stride + q * 16 + chunk * kRowChunkBytes;
#pragma unroll 1
    for (int stage = 0; stage < stages; ++stage) {
      const int count = min(stage_chunks, end - chunk);
      const uint8_t* weights = wait();
#pragma unroll 2
      for (int i = 0; i < count; ++i) {
        const uint4 rows[1][2] = {{*reinterpret_cast<const uint4*>(row), *reinterpret_cast<const uint4*>(row + 64)}};
        multiply_chunk<1>(weights + i * kChunkBytes, lane, rows, c);
        row += kRowChunkBytes;
      }
      chunk += stage_chunks;
      release();
    }
    hand_over(work, block, item, part, tile.rows(), c);
  }
  if (item >= share.items) return;
  barrier_wait(block.barriers.at(FusedBarriers::kActReady), 0);
  const int first = part * work.fc2_chunks / kGroupWarps;
  const int end = (part + 1) * work.fc2_chunks / kGroupWarps;
  // The rows of the next stage are on their way while this one is waited for and computed.
  uint4 ahead[kMaxStageChunks][2];
  load_act(work, block.routing.tiles[fc2_item(share, item).tile], block.routing.pairs, first, min(stage_chunks, end - first), ahead);
#pragma unroll 1
  for (; item < share.items; item += groups) {
    const RowTile tile = block.routing.tiles[fc2_item(share, item).tile];
    const bool more = item + groups < share.items;
    const RowTile tile_after = more ? block.routing.tiles[fc2_item(share, item + groups).tile] : tile;
    float c[2][1][4] = {};
    int chunk = first;
#pragma unroll 1
    for (int stage = 0; stage < later_stages; ++stage) {
      const int count = min(stage_chunks, end - chunk);
      const bool last = stage == later_stages - 1;
      const int next = last ? first : chunk + stage_chunks;
      const uint8_t* weights = wait();
      uint4 rows[kMaxStageChunks][2];
#pragma unroll
      for (int i = 0; i < kMaxStageChunks; ++i) {
        rows[i][0] = ahead[i][0];
        rows[i][1] = ahead[i][1];
      }
      load_act(work, last ? tile_after : tile, block.routing.pairs, next, last && !more ? 0 : min(stage_chunks, end - next), ahead);
#pragma unroll
      for (int i = 0; i < kMaxStageChunks; ++i) {
        if (i < count) {
          const uint4 now[1][2] = {{rows[i][0], rows[i][1]}};
          multiply_chunk<1>(weights + i * kChunkBytes, lane, now, c);
        }
      }
      chunk += stage_chunks;
      release();
    }
    hand_over(work, block, item, part, tile.rows(), c);
  }
}

/// One warp: results of items finisher, finisher + kFinishers, ....
template <bool kGated, BlockQuantizer kQuantizer>
__device__ __forceinline__ void finish(const FusedWork& work, const FusedBlock& block, int finisher, uint32_t before) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const FusedShare& share = block.share;
  const int warp_floats = work.plan.tile_rows * kSumStride;
  Fc1Output fc1 = work.fc1;
  fc1.quantizer = kQuantizer;
  const auto wait = [&](int item) {
    barrier_wait(block.barriers.at(FusedBarriers::kSummed + item % kPartials), static_cast<uint32_t>(item / kPartials) & 1U);
    return block.partials + item % kPartials * kGroupWarps * warp_floats + lane;
  };
  const auto taken = [&](int item) {
    __syncwarp();
    if (lane == 0) barrier_arrive(block.barriers.at(FusedBarriers::kTaken + item % kPartials));
  };
  int item = finisher;
#pragma unroll 1
  for (; item < share.fc1_items; item += kFinishers) {
    const FusedItem of = fc1_item(work, share, item);
    const RowTile tile = block.routing.tiles[of.tile];
    const float* partials = wait(item);
#pragma unroll 1
    for (int column = 0; column < tile.rows(); ++column) {
      const float sum = sum_of_quarters(partials, warp_floats, column * kSumStride);
      finish_unit<kGated>(fc1, __fmul_rn(sum * kWeightFactor, block.scales[3 * of.tile]), of.unit, block.routing.pairs[tile.first() + column], block.scales[3 * of.tile + 1]);
    }
    taken(item);
  }
  named_barrier(2, kFinishers * 32);
  if (finisher == 0 && lane == 0) {
    border_arrive(work.border, blockIdx.x == 0, gridDim.x);
    if (share.items > share.fc1_items) border_wait(work.border, before);
    barrier_arrive(block.barriers.at(FusedBarriers::kActReady));
  }
  __syncwarp();
  const uint32_t out = in_first_block(shared_address(block.rows)) + static_cast<uint32_t>(lane * 4);
#pragma unroll 1
  for (; item < share.items; item += kFinishers) {
    const FusedItem of = fc2_item(share, item);
    const RowTile tile = block.routing.tiles[of.tile];
    const float* partials = wait(item);
#pragma unroll 1
    for (int column = 0; column < tile.rows(); ++column) {
      const int pair = block.routing.pairs[tile.first() + column];
      const float value = __fmul_rn(sum_of_quarters(partials, warp_floats, column * kSumStride) * kWeightFactor, block.scales[3 * of.tile + 2]);
      store_in_cluster(out + static_cast<uint32_t>((of.local_unit * work.pairs + pair) * kUnitRows * 4), value);
      const int row = of.unit * kUnitRows + lane;
      if (work.fc2_tap != nullptr && row < work.hidden) work.fc2_tap[static_cast<size_t>(pair) * work.hidden + row] = value;
    }
    taken(item);
  }
}

/// y of the cluster's rows, by its first block: the sum over slots in slot order, one rounding (fc2.cu's finalize_kernel).
__device__ __forceinline__ void finalize_units(const FusedWork& work, const FusedShare& share, const float* sums, const float* weights, int warp, int warps) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int count = share.fc2_units * work.tokens;
  for (int i = warp; i < count; i += warps) {
    const int local = i / work.tokens;
    const int token = i - local * work.tokens;
    const int row = (share.cluster_index + share.clusters * local) * kUnitRows + lane;
    const int first = token * work.top_k;
    float sum = 0;
#pragma unroll 8
    for (int slot = 0; slot < work.top_k; ++slot) sum = __fadd_rn(sum, __fmul_rn(weights[first + slot], sums[(local * work.pairs + first + slot) * kUnitRows + lane]));
    if (row < work.hidden) work.y[static_cast<size_t>(token) * work.hidden + row] = bf16_encode(sum);
  }
}

}  // namespace moe::cuda::hopper
