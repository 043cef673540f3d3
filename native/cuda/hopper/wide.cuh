// The body of the kernels for many rows an expert: seven warps, each a weight unit of its own over all of k, that share the
// activation rows of a tile of up to 64; an eighth warp keeps the ring filled (with a ninth, registers would be cut to 96 a
// thread). Sums stay in registers.
#pragma once

#include <type_traits>

#include "cuda/hopper/fragments.cuh"
#include "cuda/hopper/ring.cuh"
#include "cuda/hopper/routing.cuh"

namespace moe::cuda::hopper {

inline constexpr int kWideWarps = 7;  ///< that multiply
inline constexpr int kWideThreads = (kWideWarps + 1) * 32;
inline constexpr int kFewGroups = 2;      ///< n8 groups of a tile in the kernels that leave room for three blocks an SM
inline constexpr int kWideGroups = 8;     ///< and in the others
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
  return depth * wide_stage_bytes(tile_rows) + depth * 16 + 16 + tiles * 4 + (pairs + 7) / 8 * 16 + routing_scratch_bytes(experts, kWideWarps + 1);
}

/// c += weights of this warp's unit and chunk * rows, for the tile's first kGroups n8 groups. No branch within: loads of the
/// next groups run ahead of the multiplications.
template <int kGroups, int kMost>
__device__ __forceinline__ void multiply_chunk(float (&c)[2][kMost][4], const uint8_t* weights, const uint8_t* rows, int lane) {
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

/// A place in the ring: the slot, and the parity of the phase that completes it.
struct RingPlace {
  int slot = 0;
  uint32_t parity = 0;
  __device__ __forceinline__ void next(int depth) {
    if (++slot == depth) {
      slot = 0;
      parity ^= 1U;
    }
  }
};

/// All of k for one item. With no group (a warp without a unit) it only gives the slots back.
template <int kGroups, int kMost>
__device__ __forceinline__ void multiply_item(float (&c)[2][kMost][4], const uint8_t* ring, const WideWork& work, uint32_t full, uint32_t empty, RingPlace& at, int warp, int lane) {
  const int rows_at = kWideWeightBytes + lane / 4 * kWideRowStride + lane % 4 * 16;
  for (int chunk = 0; chunk < work.chunks; chunk += kWideChunks) {
    const int count = min(kWideChunks, work.chunks - chunk);
    barrier_wait(full + static_cast<uint32_t>(at.slot) * 8, at.parity);
    const uint8_t* stage = ring + at.slot * work.stage_bytes;
    if constexpr (kGroups > 0) {
      for (int i = 0; i < count; ++i) multiply_chunk<kGroups>(c, stage + (warp * kWideChunks + i) * kChunkBytes, stage + rows_at + i * kRowChunkBytes, lane);
    }
    __syncwarp();
    if (lane == 0) barrier_arrive(empty + static_cast<uint32_t>(at.slot) * 8);
    at.next(work.depth);
  }
}

/// Runs all items (row tile, seven units) of the block; `epilogue(tile, unit, pairs, c)` is called by each consumer warp
/// with the sums of its unit, without synchronisation.
template <int kMost, class Epilogue>
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
      barrier_init(full + static_cast<uint32_t>(slot) * 8, 1);
      barrier_init(empty + static_cast<uint32_t>(slot) * 8, kWideWarps);
    }
    barrier_init_fence();
  }
  group_pairs<kWideWarps + 1>(work.topk_ids, work.pairs, work.experts, work.tile_rows, routing, scratch);
  const int tile_count = *tile_count_at;
  const int unit_groups = (work.units + kWideWarps - 1) / kWideWarps;
  const int items = tile_count * unit_groups;
  const size_t row_bytes = static_cast<size_t>(work.chunks) * kRowChunkBytes;

  RingPlace at;
  if (warp == kWideWarps) {
    bool waited = false;
    for (int item = static_cast<int>(blockIdx.x); item < items; item += static_cast<int>(gridDim.x)) {
      const RowTile tile = routing.tiles[item / unit_groups];
      const int first_unit = item % unit_groups * kWideWarps;
      const int units = min(kWideWarps, work.units - first_unit);
      const int rows = tile.rows();
      const uint8_t* weights = work.weights + (static_cast<size_t>(tile.expert()) * work.units + first_unit + lane) * work.chunks * kChunkBytes;
      const uint8_t* sources[2];  // this lane's rows: lane and lane + 32
#pragma unroll
      for (int i = 0; i < 2; ++i) sources[i] = work.rows + row_of_pair(routing.pairs[tile.first() + min(lane + 32 * i, rows - 1)], work.row_divisor) * row_bytes;
      for (int chunk = 0; chunk < work.chunks; chunk += kWideChunks) {
        const int count = min(kWideChunks, work.chunks - chunk);
        const uint32_t barrier = full + static_cast<uint32_t>(at.slot) * 8;
        const uint32_t stage = shared_address(shared + at.slot * work.stage_bytes);
        barrier_wait(empty + static_cast<uint32_t>(at.slot) * 8, at.parity ^ 1U);
        if (lane == 0) barrier_arrive_expect(barrier, static_cast<uint32_t>(count * (units * kChunkBytes + rows * kRowChunkBytes)));
        __syncwarp();
        if (lane < units) bulk_copy(stage + static_cast<uint32_t>(lane * kWideChunks * kChunkBytes), weights + static_cast<size_t>(chunk) * kChunkBytes, static_cast<uint32_t>(count * kChunkBytes), barrier);
        if (!waited) grid_wait();
        waited = true;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int row = lane + 32 * i;
          if (row < rows) bulk_copy(stage + static_cast<uint32_t>(kWideWeightBytes + row * kWideRowStride), sources[i] + static_cast<size_t>(chunk) * kRowChunkBytes, static_cast<uint32_t>(count * kRowChunkBytes), barrier);
        }
        at.next(work.depth);
      }
    }
    return;
  }

  grid_wait();
  for (int item = static_cast<int>(blockIdx.x); item < items; item += static_cast<int>(gridDim.x)) {
    const RowTile tile = routing.tiles[item / unit_groups];
    const int unit = item % unit_groups * kWideWarps + warp;
    const int groups = unit < work.units ? (tile.rows() + 7) / 8 : 0;
    float c[2][kMost][4] = {};
    const auto multiply = [&](auto count) { multiply_item<count.value>(c, shared, work, full, empty, at, warp, lane); };
    if constexpr (kMost == kFewGroups) {
      switch (groups) {
        case 0: multiply(std::integral_constant<int, 0>{}); break;
        case 1: multiply(std::integral_constant<int, 1>{}); break;
        default: multiply(std::integral_constant<int, 2>{}); break;
      }
    } else {
      switch (groups) {
        case 0: multiply(std::integral_constant<int, 0>{}); break;
        case 1: multiply(std::integral_constant<int, 1>{}); break;
        case 2: multiply(std::integral_constant<int, 2>{}); break;
        case 3: multiply(std::integral_constant<int, 3>{}); break;
        case 4: multiply(std::integral_constant<int, 4>{}); break;
        case 5: multiply(std::integral_constant<int, 5>{}); break;
        case 6: multiply(std::integral_constant<int, 6>{}); break;
        case 7: multiply(std::integral_constant<int, 7>{}); break;
        default: multiply(std::integral_constant<int, 8>{}); break;
      }
    }
    if (groups > 0) epilogue(tile, unit, routing.pairs, c);
  }
}

}  // namespace moe::cuda::hopper
