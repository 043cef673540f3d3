// The body of the kernels for many rows an expert: eight warps, each a weight unit of its own over all of k, that share the
// activation rows of a tile of up to 64. The warps take turns in refilling the ring. Sums stay in registers.
#pragma once

#include "cuda/hopper/fragments.cuh"
#include "cuda/hopper/ring.cuh"
#include "cuda/hopper/routing.cuh"

namespace moe::cuda::hopper {

inline constexpr int kWideWarps = 8;
inline constexpr int kWideThreads = kWideWarps * 32;
inline constexpr int kWideGroups = 8;     ///< n8 groups of a tile
inline constexpr int kWideChunks = 2;     ///< chunks of a ring slot
inline constexpr int kWideRowStride = kWideChunks * kRowChunkBytes + 64;
inline constexpr int kWideWeightBytes = kWideWarps * kWideChunks * kChunkBytes;

struct WideWork {
  const uint8_t* weights;
  const uint8_t* rows;
  const int32_t* topk_ids;
  int units, chunks, pairs, experts;
  uint32_t row_divisor;  ///< divisor_of(pairs that share an activation row)
  int tile_rows, depth, stage_bytes, tiles_capacity;
};

constexpr int wide_stage_bytes(int tile_rows) { return (kWideWeightBytes + tile_rows * kWideRowStride + 127) / 128 * 128; }

/// Ring, full and empty barriers, tiles, pairs, scratch of the sort.
constexpr int wide_shared_bytes(int depth, int tile_rows, int experts, int pairs, int tiles) {
  return depth * wide_stage_bytes(tile_rows) + depth * 16 + 16 + tiles * 4 + (pairs + 7) / 8 * 16 + routing_scratch_bytes(experts, kWideWarps);
}

/// c += weights of this warp's unit and chunk * rows, for the tile's first kGroups n8 groups. No branch within: loads of the
/// next groups run ahead of the multiplications.
template <int kGroups>
__device__ __forceinline__ void multiply_chunk(float (&c)[2][kWideGroups][4], const uint8_t* weights, const uint8_t* rows, int lane) {
  const uint32_t scales = *reinterpret_cast<const uint32_t*>(weights + 2 * kTileBytes + lane * 4);
  __half2 scale[2][2];
  decode_scales(scales & 0xFFFFU, scale[0][0], scale[0][1]);
  decode_scales(scales >> 16U, scale[1][0], scale[1][1]);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint32_t a[2][2][4];
#pragma unroll
    for (int t = 0; t < 2; ++t) {
      const uint2 codes = *reinterpret_cast<const uint2*>(weights + t * kTileBytes + lane * 16 + half * 8);
      decode_fragment(codes.x, scale[t][0], scale[t][1], a[t][0]);
      decode_fragment(codes.y, scale[t][0], scale[t][1], a[t][1]);
    }
#pragma unroll
    for (int n = 0; n < kGroups; ++n) {
      const uint4 b = *reinterpret_cast<const uint4*>(rows + 8 * n * kWideRowStride + half * 64);
#pragma unroll
      for (int t = 0; t < 2; ++t) mma_m16n8k16(c[t][n], a[t][0], b.x, b.y);
#pragma unroll
      for (int t = 0; t < 2; ++t) mma_m16n8k16(c[t][n], a[t][1], b.z, b.w);
    }
  }
}

template <int kGroups>
__device__ __forceinline__ void multiply_stage(float (&c)[2][kWideGroups][4], const uint8_t* weights, const uint8_t* rows, int count, int lane) {
  for (int i = 0; i < count; ++i) multiply_chunk<kGroups>(c, weights + i * kChunkBytes, rows + i * kRowChunkBytes, lane);
}

/// Runs all items (row tile, eight units) of the block; `epilogue(tile, unit, pairs, c)` is called by each consumer warp
/// with the sums of its unit, without synchronisation.
template <class Epilogue>
__device__ __forceinline__ void wide_items(const WideWork& work, const Epilogue& epilogue) {
  extern __shared__ __align__(128) uint8_t shared[];
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int lane = static_cast<int>(threadIdx.x % 32);
  uint8_t* tail = shared + work.depth * work.stage_bytes;
  const uint32_t full = shared_address(tail);
  const uint32_t empty = full + static_cast<uint32_t>(work.depth) * 8;
  uint8_t* lists = tail + work.depth * 16;
  int* tile_count_at = reinterpret_cast<int*>(lists);
  const Routing routing{reinterpret_cast<RowTile*>(lists + 16), reinterpret_cast<uint16_t*>(lists + 16 + work.tiles_capacity * 4), tile_count_at};
  uint8_t* scratch = lists + 16 + work.tiles_capacity * 4 + (work.pairs + 7) / 8 * 16;
  if (threadIdx.x == 0) {
    for (int slot = 0; slot < work.depth; ++slot) {
      barrier_init(full + static_cast<uint32_t>(slot) * 8, 33);  // the announcement and 32 lanes' rows
      barrier_init(empty + static_cast<uint32_t>(slot) * 8, kWideWarps);
    }
    barrier_init_fence();
  }
  group_pairs<kWideWarps>(work.topk_ids, work.pairs, work.experts, work.tile_rows, routing, scratch);
  const int tile_count = *tile_count_at;
  const int unit_groups = (work.units + kWideWarps - 1) / kWideWarps;
  const int items = tile_count * unit_groups;
  const size_t row_bytes = static_cast<size_t>(work.chunks) * kRowChunkBytes;

  struct Ahead {
    int item, chunk;
  };
  const auto next = [&](Ahead& at) {
    at.chunk += kWideChunks;
    if (at.chunk >= work.chunks) {
      at.chunk = 0;
      at.item += static_cast<int>(gridDim.x);
    }
  };
  const auto ask_weights = [&](const Ahead& at, int slot) {
    const RowTile tile = routing.tiles[at.item / unit_groups];
    const int first_unit = at.item % unit_groups * kWideWarps;
    const int units = min(kWideWarps, work.units - first_unit);
    const int count = min(kWideChunks, work.chunks - at.chunk);
    const uint32_t barrier = full + static_cast<uint32_t>(slot) * 8;
    if (lane == 0) barrier_arrive_expect(barrier, static_cast<uint32_t>(count * units * kChunkBytes));
    __syncwarp();
    if (lane >= units) return;
    const uint8_t* from = work.weights + (((static_cast<size_t>(tile.expert()) * work.units + first_unit + lane) * work.chunks) + at.chunk) * kChunkBytes;
    bulk_copy(shared_address(shared + slot * work.stage_bytes + lane * kWideChunks * kChunkBytes), from, static_cast<uint32_t>(count * kChunkBytes), barrier);
  };
  const auto ask_rows = [&](const Ahead& at, int slot) {
    const RowTile tile = routing.tiles[at.item / unit_groups];
    const int count = min(kWideChunks, work.chunks - at.chunk);
    const int piece = lane % 16 * 16;  // 16 lanes copy a row's 256 bytes
    const uint32_t to = shared_address(shared + slot * work.stage_bytes + kWideWeightBytes + piece);
    const uint8_t* from = work.rows + static_cast<size_t>(at.chunk) * kRowChunkBytes + piece;
    if (piece < count * kRowChunkBytes) {
      for (int row = lane / 16; row < tile.rows(); row += 2) {
        copy_16(to + static_cast<uint32_t>(row * kWideRowStride), from + row_of_pair(routing.pairs[tile.first() + row], work.row_divisor) * row_bytes);
      }
    }
    barrier_arrive_copies(full + static_cast<uint32_t>(slot) * 8);
  };

  const Ahead start{static_cast<int>(blockIdx.x), 0};
  Ahead ahead = start;
  for (int slot = 0; slot < work.depth && ahead.item < items; ++slot) {
    if (warp == 0) ask_weights(ahead, slot);
    next(ahead);
  }
  __syncwarp();
  grid_wait();
  ahead = start;
  for (int slot = 0; slot < work.depth && ahead.item < items; ++slot) {
    if (warp == 0) ask_rows(ahead, slot);
    next(ahead);
  }

  const int g = lane / 4;
  const int q = lane % 4;
  int slot = 0;
  uint32_t parity = 0;
  int turn = 0;  // whose turn it is to refill the slot of the step before, which the other warps have mostly left by now
  bool first = true;
  for (int item = start.item; item < items; item += static_cast<int>(gridDim.x)) {
    const RowTile tile = routing.tiles[item / unit_groups];
    const int unit = item % unit_groups * kWideWarps + warp;
    const int groups = unit < work.units ? (tile.rows() + 7) / 8 : 0;
    float c[2][kWideGroups][4] = {};
    for (int chunk = 0; chunk < work.chunks; chunk += kWideChunks) {
      const int count = min(kWideChunks, work.chunks - chunk);
      if (!first && ahead.item < items) {
        const int before = slot == 0 ? work.depth - 1 : slot - 1;
        if (turn == warp) {
          barrier_wait(empty + static_cast<uint32_t>(before) * 8, slot == 0 ? parity ^ 1U : parity);
          ask_weights(ahead, before);
          __syncwarp();
          ask_rows(ahead, before);
        }
        next(ahead);
        turn = (turn + 1) % kWideWarps;
      }
      first = false;
      barrier_wait(full + static_cast<uint32_t>(slot) * 8, parity);
      const uint8_t* stage = shared + slot * work.stage_bytes;
      const uint8_t* weights = stage + warp * kWideChunks * kChunkBytes;
      const uint8_t* rows = stage + kWideWeightBytes + g * kWideRowStride + q * 16;
      switch (groups) {
        case 0: break;
        case 1: multiply_stage<1>(c, weights, rows, count, lane); break;
        case 2: multiply_stage<2>(c, weights, rows, count, lane); break;
        case 3: multiply_stage<3>(c, weights, rows, count, lane); break;
        case 4: multiply_stage<4>(c, weights, rows, count, lane); break;
        case 5: multiply_stage<5>(c, weights, rows, count, lane); break;
        case 6: multiply_stage<6>(c, weights, rows, count, lane); break;
        case 7: multiply_stage<7>(c, weights, rows, count, lane); break;
        default: multiply_stage<8>(c, weights, rows, count, lane); break;
      }
      __syncwarp();
      if (lane == 0) barrier_arrive(empty + static_cast<uint32_t>(slot) * 8);
      if (++slot == work.depth) {
        slot = 0;
        parity ^= 1U;
      }
    }
    if (groups > 0) epilogue(tile, unit, routing.pairs, c);
  }
}

}  // namespace moe::cuda::hopper
