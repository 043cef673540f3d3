// The body of the kernels for many rows an expert. An item is (row tile, four or eight weight units): a warp group multiplies four
// units = 128 weight rows as two m64 tiles, whose A fragments it decodes into registers; one more warp keeps the ring filled.
// Of a unit one m16 tile goes to the first m64 and one to the second, so that a thread holds up and gate of a row.
// Refilling by the warp that was last done with a slot, which leaves more registers a thread, was slower: the copy engine takes
// a warp's copies one by one.
#pragma once

#include "cuda/hopper/fragments.cuh"
#include "cuda/hopper/ring.cuh"
#include "cuda/hopper/sorted_rows.cuh"
#include "cuda/hopper/wgmma.cuh"

namespace moe::cuda::hopper {

/// How a kernel is compiled: n8 groups of a row tile, units of an item (a warp each; four make a warp group), blocks an SM must
/// have room for.
template <int kTileGroups, int kItemUnits, int kBlocks>
struct WgmmaShape {
  static constexpr int kGroups = kTileGroups;
  static constexpr int kUnits = kItemUnits;
  static constexpr int kMinBlocks = kBlocks;
  static constexpr int kThreads = (kItemUnits + 1) * 32;
  static_assert(kItemUnits % 4 == 0);
};

struct WgmmaWork {
  const uint8_t* weights;
  const uint8_t* rows;  ///< sorted_rows.cuh
  const int32_t* topk_ids;
  int units, chunks, pairs, experts;
  int tile_rows, stage_chunks, depth, stage_bytes, tiles_capacity;
};

/// Weights of a slot; its rows follow at a multiple of the swizzle's 1024 bytes.
__host__ __device__ constexpr int stage_weight_bytes(int units, int stage_chunks) { return (stage_chunks * units * kChunkBytes + 1023) / 1024 * 1024; }
constexpr int wgmma_stage_bytes(int units, int stage_chunks, int tile_rows) { return stage_weight_bytes(units, stage_chunks) + stage_chunks * (tile_rows / kGroupRows) * kGroupChunkBytes; }

/// Ring, full and empty barriers, tiles, counts of experts, totals of warps.
constexpr int wgmma_shared_bytes(int units, int depth, int stage_bytes, int experts, int tiles) { return depth * stage_bytes + depth * 16 + tiles * 4 + experts * 4 + (units + 1) * 4; }

/// A lane's codes and scales of one chunk of its unit.
struct LaneChunk {
  uint4 codes[2];
  uint32_t scales;
  /// @param at shared address of the chunk's codes of this lane
  /// @param scales_at and of its scales
  __device__ __forceinline__ void load(uint32_t at, uint32_t scales_at) {
    asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(codes[0].x), "=r"(codes[0].y), "=r"(codes[0].z), "=r"(codes[0].w) : "r"(at) : "memory");
    asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4+512];" : "=r"(codes[1].x), "=r"(codes[1].y), "=r"(codes[1].z), "=r"(codes[1].w) : "r"(at) : "memory");
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(scales) : "r"(scales_at) : "memory");
  }
};

/// What a consumer warp knows of the ring.
struct Consumer {
  uint32_t weights;         ///< shared address of its unit's first codes of this lane in slot 0
  uint32_t scales;          ///< and of its first scales
  uint32_t rows;            ///< shared address of the rows in slot 0
  uint32_t full, empty;
  bool leads;               ///< one lane of the warp
  RingSlot at;
};

inline constexpr int kSetSteps = 2;  ///< MMA steps whose fragments are decoded before they are multiplied

/// Sums of all of k for one item. Two sets of fragments, half a chunk each: one is decoded while the tensor cores read the other.
template <class Shape>
__device__ __forceinline__ void multiply_item(float (&c)[2][Shape::kGroups][4], const WgmmaWork& work, Consumer& me) {
  uint32_t a[2][2][kSetSteps][4];  // [set][tile][step]
  LaneChunk chunk;
  __half2 scale[2][2];
  const uint32_t group_stride = static_cast<uint32_t>(work.stage_chunks * kGroupChunkBytes);
  const auto decode_set = [&](int set, int first_step) {
#pragma unroll
    for (int t = 0; t < 2; ++t) {
      const uint32_t words[4] = {chunk.codes[t].x, chunk.codes[t].y, chunk.codes[t].z, chunk.codes[t].w};
#pragma unroll
      for (int step = 0; step < kSetSteps; ++step) decode_fragment(words[first_step + step], scale[t][0], scale[t][1], a[set][t][step]);
    }
  };
  const auto multiply_set = [&](int set, int first_step, uint32_t rows) {
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < kSetSteps; ++step) {
#pragma unroll
      for (int t = 0; t < 2; ++t) wgmma<Shape::kGroups>(c[t], a[set][t][step], wgmma_descriptor(rows + static_cast<uint32_t>(first_step + step) * kStepBytes, group_stride));
    }
    wgmma_commit();
  };
  const auto give_back = [&](uint32_t slot) {
    __syncwarp();
    if (me.leads) barrier_arrive(me.empty + slot * 8);
  };
  const auto decode_chunk_scales = [&] {
    decode_scales(chunk.scales & 0xFFFFU, scale[0][0], scale[0][1]);
    decode_scales(chunk.scales >> 16U, scale[1][0], scale[1][1]);
  };

  uint32_t slot = static_cast<uint32_t>(me.at.slot);
  barrier_wait(me.full + slot * 8, me.at.parity);
  uint32_t rows = me.rows + slot * static_cast<uint32_t>(work.stage_bytes);
  uint32_t weights = me.weights + slot * static_cast<uint32_t>(work.stage_bytes);
  uint32_t scales = me.scales + slot * static_cast<uint32_t>(work.stage_bytes);
  chunk.load(weights, scales);
  int left = work.chunks;
  int in_slot = work.stage_chunks;
  bool entered = false;  // a slot, and the one before is not given back yet
  uint32_t before = 0;
  const auto next_chunk = [&] {
    if (--in_slot == 0) {
      in_slot = work.stage_chunks;
      before = slot;
      entered = true;
      me.at.next(work.depth);
      slot = static_cast<uint32_t>(me.at.slot);
      barrier_wait(me.full + slot * 8, me.at.parity);
      rows = me.rows + slot * static_cast<uint32_t>(work.stage_bytes);
      weights = me.weights + slot * static_cast<uint32_t>(work.stage_bytes);
      scales = me.scales + slot * static_cast<uint32_t>(work.stage_bytes);
    } else {
      rows += kGroupChunkBytes;
      weights += kChunkBytes;
      scales += kChunkBytes;
    }
    chunk.load(weights, scales);
  };
  const auto release_before = [&] {
    if (entered) give_back(before);
    entered = false;
  };
  for (; left > 0; --left) {
    decode_chunk_scales();
#pragma unroll
    for (int set = 0; set < 2; ++set) {
      decode_set(set, set * kSetSteps);
      multiply_set(set, set * kSetSteps, rows);
      if (set == 1 && left > 1) next_chunk();
      wgmma_wait<1>();
      if (set == 0) release_before();
    }
  }
  wgmma_wait<0>();
  give_back(slot);
  me.at.next(work.depth);
}

/// The producer warp: weights of the first slots are asked for before the kernel ahead has ended.
template <class Shape>
__device__ __forceinline__ void fill_ring(const WgmmaWork& work, const RowTile* tiles, int items, int unit_groups, uint8_t* ring, uint32_t full, uint32_t empty) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  struct Cursor {
    int item, chunk;
  };
  const auto next = [&](Cursor& at) {
    at.chunk += work.stage_chunks;
    if (at.chunk >= work.chunks) at = {at.item + static_cast<int>(gridDim.x), 0};
  };
  const auto ask = [&](const Cursor& at, int slot, bool weights, bool rows) {
    const RowTile tile = tiles[at.item / unit_groups];
    const int first_unit = at.item % unit_groups * Shape::kUnits;
    const int units = min(Shape::kUnits, work.units - first_unit);
    const int groups = (tile.rows() + kGroupRows - 1) / kGroupRows;
    const int count = min(work.stage_chunks, work.chunks - at.chunk);
    const uint32_t barrier = full + static_cast<uint32_t>(slot) * 8;
    const uint32_t stage = shared_address(ring + slot * work.stage_bytes);
    if (weights) {
      if (lane == 0) barrier_arrive_expect(barrier, static_cast<uint32_t>(count * (units * kChunkBytes + groups * kGroupChunkBytes)));
      __syncwarp();
      if (lane < units) {
        const uint8_t* from = work.weights + ((static_cast<size_t>(tile.expert()) * work.units + first_unit + lane) * work.chunks + at.chunk) * kChunkBytes;
        bulk_copy_once(stage + static_cast<uint32_t>(lane * work.stage_chunks * kChunkBytes), from, static_cast<uint32_t>(count * kChunkBytes), barrier);
      }
    }
    const int group = lane - Shape::kUnits;
    if (rows && group >= 0 && group < groups) {
      const uint8_t* from = work.rows + (static_cast<size_t>(tile.first() + group) * work.chunks + at.chunk) * kGroupChunkBytes;
      bulk_copy(stage + static_cast<uint32_t>(stage_weight_bytes(Shape::kUnits, work.stage_chunks) + group * work.stage_chunks * kGroupChunkBytes), from, static_cast<uint32_t>(count * kGroupChunkBytes), barrier);
    }
  };
  const Cursor start{static_cast<int>(blockIdx.x), 0};
  Cursor at = start;
  for (int slot = 0; slot < work.depth && at.item < items; ++slot, next(at)) ask(at, slot, true, false);
  grid_wait();
  at = start;
  for (int slot = 0; slot < work.depth && at.item < items; ++slot, next(at)) ask(at, slot, false, true);
  RingSlot place;
  for (; at.item < items; next(at)) {
    barrier_wait(empty + static_cast<uint32_t>(place.slot) * 8, place.parity);
    ask(at, place.slot, true, true);
    place.next(work.depth);
  }
}

/// Runs all items of the block. Each consumer warp calls `prepare(tile)`, whose loads are under way while it multiplies, and then
/// `finish(tile, unit, prepared, c)` with the sums of its unit (also one beyond the operand's, whose sums mean nothing); neither
/// may synchronise the block.
template <class Shape, class Prepare, class Finish>
__device__ __forceinline__ void wgmma_items(const WgmmaWork& work, const Prepare& prepare, const Finish& finish) {
  extern __shared__ __align__(1024) uint8_t shared[];  // wgmma's swizzle goes by addresses
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int lane = static_cast<int>(threadIdx.x % 32);
  uint8_t* tail = shared + work.depth * work.stage_bytes;
  const uint32_t full = shared_address(tail);
  const uint32_t empty = full + static_cast<uint32_t>(work.depth) * 8;
  RowTile* tiles = reinterpret_cast<RowTile*>(tail + work.depth * 16);
  uint32_t* counts = reinterpret_cast<uint32_t*>(tail + work.depth * 16 + work.tiles_capacity * 4);
  if (threadIdx.x == 0) {
    for (int slot = 0; slot < work.depth; ++slot) {
      barrier_init(full + static_cast<uint32_t>(slot) * 8, 1);
      barrier_init(empty + static_cast<uint32_t>(slot) * 8, Shape::kUnits);
    }
    barrier_init_fence();
  }
  count_pairs<Shape::kThreads>(work.topk_ids, work.pairs, work.experts, counts, [](int, int) { return 1U; });
  const int tile_count = place_experts<Shape::kThreads>(counts, work.experts, work.tile_rows, counts + work.experts, [&](int expert, int rows, int group, int tile) {
    for (int done = 0; done < rows; done += work.tile_rows) tiles[tile++] = RowTile::of(expert, group + done / kGroupRows, min(work.tile_rows, rows - done));
  });
  __syncthreads();
  const int unit_groups = (work.units + Shape::kUnits - 1) / Shape::kUnits;
  const int items = tile_count * unit_groups;
  if (warp == Shape::kUnits) {
    fill_ring<Shape>(work, tiles, items, unit_groups, shared, full, empty);
    return;
  }

  grid_wait();
  const uint32_t ring = shared_address(shared);
  const uint32_t first = ring + static_cast<uint32_t>(warp * work.stage_chunks * kChunkBytes);
  Consumer me{first + static_cast<uint32_t>(lane * 16), first + static_cast<uint32_t>(2 * kTileBytes + lane * 4), ring + static_cast<uint32_t>(stage_weight_bytes(Shape::kUnits, work.stage_chunks)), full, empty, lane == 0, {}};
  for (int item = static_cast<int>(blockIdx.x); item < items; item += static_cast<int>(gridDim.x)) {
    const RowTile tile = tiles[item / unit_groups];
    const auto loaded = prepare(tile);
    float c[2][Shape::kGroups][4] = {};
    multiply_item<Shape>(c, work, me);
    finish(tile, item % unit_groups * Shape::kUnits + warp, loaded, c);
  }
}

}  // namespace moe::cuda::hopper
