// The body of the decode kernels: blocks of four warps that stream FP4 weights through tensor cores. An item is (row tile,
// weight unit); the four warps split its k, each with a ring of its own that the copy engine fills with weights and
// activation rows, several items ahead; their partial sums meet in shared memory, in warp order, so the result does not
// depend on timing.
#pragma once

#include "cuda/hopper/fragments.cuh"
#include "cuda/hopper/ring.cuh"
#include "cuda/hopper/routing.cuh"

namespace moe::cuda::hopper {

inline constexpr int kWarps = 4;
inline constexpr int kMaxDepth = 16;

/// Arrivals that complete a ring slot: one announces the bulk copies, each lane of the asking warp its copied rows.
inline constexpr int kSlotArrivals = 33;

/// Rows of one slot lie this far apart beyond their bytes, so that the eight g rows fall on different banks.
inline constexpr int kRowPad = 64;

struct StreamWork {
  const uint8_t* weights;
  const uint8_t* rows;    ///< activation rows of chunks * 128 bytes
  const int32_t* topk_ids;
  int units, chunks, pairs, experts;
  uint32_t row_divisor;   ///< divisor_of(pairs that share an activation row)
  int tile_rows, stage_chunks, depth;
  int stage_bytes, tiles_capacity;
};

/// Bytes of one ring slot.
constexpr int stage_bytes_of(int units, int stage_chunks, int tile_rows) {
  return (stage_chunks * kChunkBytes * units + tile_rows * (stage_chunks * kRowChunkBytes + kRowPad) + 127) / 128 * 128;
}

/// Floats of one warp's partial sums: a column of 32 * units weight rows for each row of the tile, padded against bank
/// conflicts.
constexpr int partial_stride(int units) { return kUnitRows * units + 4; }
constexpr int partial_floats(int tile_rows, int units) { return tile_rows * partial_stride(units); }

constexpr int partials_bytes(int tile_rows, int units, int experts) {
  const int sums = 2 * kWarps * partial_floats(tile_rows, units) * 4;
  const int routing = routing_scratch_bytes(experts, kWarps);
  return ((sums > routing ? sums : routing) + 127) / 128 * 128;
}

/// Where things lie in a block's dynamic shared memory: ring, partial sums, barriers, tiles, pairs.
constexpr int stream_shared_bytes(int tile_rows, int units, int depth, int stage_bytes, int experts, int pairs, int tiles) {
  return kWarps * depth * stage_bytes + partials_bytes(tile_rows, units, experts) + kWarps * kMaxDepth * 8 + 16 + tiles * 4 + (pairs + 7) / 8 * 16;
}

/// Walks a warp's share of all items of a block.
struct Cursor {
  int tile, unit, chunk;
};

/// Runs all items of the block; `epilogue(tile, unit, pairs, partials)` is called by all threads after a block barrier,
/// with the four warps' partial sums [warp][column][row]; it must not synchronise the block.
template <int kRowGroups, int kUnits, class Epilogue>
__device__ __forceinline__ void stream_items(const StreamWork& work, const Epilogue& epilogue) {
  extern __shared__ __align__(128) uint8_t shared[];
  const int warp = static_cast<int>(threadIdx.x / 32);
  const int lane = static_cast<int>(threadIdx.x % 32);
  constexpr int kStride = partial_stride(kUnits);
  const int floats = partial_floats(work.tile_rows, kUnits);
  uint8_t* ring = shared + warp * work.depth * work.stage_bytes;
  uint8_t* sums = shared + kWarps * work.depth * work.stage_bytes;
  uint8_t* tail = sums + partials_bytes(work.tile_rows, kUnits, work.experts);
  const uint32_t barriers = shared_address(tail) + static_cast<uint32_t>(warp * kMaxDepth * 8);
  int* tile_count_at = reinterpret_cast<int*>(tail + kWarps * kMaxDepth * 8);
  const Routing routing{reinterpret_cast<RowTile*>(tail + kWarps * kMaxDepth * 8 + 16), reinterpret_cast<uint16_t*>(tail + kWarps * kMaxDepth * 8 + 16 + work.tiles_capacity * 4), tile_count_at};
  float* partials = reinterpret_cast<float*>(sums);

  if (lane < work.depth) barrier_init(barriers + static_cast<uint32_t>(lane) * 8, kSlotArrivals);
  barrier_init_fence();
  group_pairs<kWarps>(work.topk_ids, work.pairs, work.experts, work.tile_rows, routing, sums);
  const int tile_count = *tile_count_at;

  const int unit_groups = (work.units + kUnits - 1) / kUnits;
  const int first_chunk = warp * work.chunks / kWarps;
  const int end_chunk = (warp + 1) * work.chunks / kWarps;
  const int tile_step = static_cast<int>(gridDim.x) / unit_groups;
  const int unit_step = static_cast<int>(gridDim.x) % unit_groups;
  const int rows_at = work.stage_chunks * kChunkBytes * kUnits;
  const int row_stride = work.stage_chunks * kRowChunkBytes + kRowPad;
  const size_t row_bytes = static_cast<size_t>(work.chunks) * kRowChunkBytes;

  const auto advance = [&](Cursor& at) {
    at.tile += tile_step;
    at.unit += unit_step;
    if (at.unit >= unit_groups) {
      at.unit -= unit_groups;
      ++at.tile;
    }
  };
  // A slot's phase completes when all arrivals and announced bytes are there, so weights can be asked for before the
  // activations may be read.
  const auto ask_weights = [&](const Cursor& at, int slot) {
    if (lane != 0) return;
    const RowTile tile = routing.tiles[at.tile];
    const int count = min(work.stage_chunks, end_chunk - at.chunk);
    const int units = min(kUnits, work.units - at.unit * kUnits);
    const uint32_t barrier = barriers + static_cast<uint32_t>(slot) * 8;
    barrier_arrive_expect(barrier, static_cast<uint32_t>(count * units * kChunkBytes));
    const uint8_t* from = work.weights + ((static_cast<size_t>(tile.expert()) * work.units + at.unit * kUnits) * work.chunks + at.chunk) * kChunkBytes;
    const uint32_t to = shared_address(ring + slot * work.stage_bytes);
    for (int u = 0; u < units; ++u) {
      bulk_copy(to + static_cast<uint32_t>(u * work.stage_chunks * kChunkBytes), from + static_cast<size_t>(u) * work.chunks * kChunkBytes, static_cast<uint32_t>(count * kChunkBytes), barrier);
    }
  };
  // Bulk copies cost the copy engine about as much for 256 bytes as for 4 KB, so rows are copied by threads.
  const int row_shift = work.stage_chunks == 1 ? 3 : work.stage_chunks == 2 ? 4 : 5;  // log2 of the lanes that copy a row
  const auto ask_rows = [&](const Cursor& at, int slot) {
    const RowTile tile = routing.tiles[at.tile];
    const int count = min(work.stage_chunks, end_chunk - at.chunk);
    const int piece = (lane & ((1 << row_shift) - 1)) * 16;
    const uint32_t to = shared_address(ring + slot * work.stage_bytes + rows_at + piece);
    const uint8_t* from = work.rows + static_cast<size_t>(at.chunk) * kRowChunkBytes + piece;
    if (piece < count * kRowChunkBytes) {
      for (int row = lane >> row_shift; row < tile.rows(); row += 32 >> row_shift) {
        copy_16(to + static_cast<uint32_t>(row * row_stride), from + row_of_pair(routing.pairs[tile.first() + row], work.row_divisor) * row_bytes);
      }
    }
    barrier_arrive_copies(barriers + static_cast<uint32_t>(slot) * 8);
  };
  const auto next = [&](Cursor& at) {
    at.chunk += work.stage_chunks;
    if (at.chunk >= end_chunk) {
      at.chunk = first_chunk;
      advance(at);
    }
  };

  const Cursor start{static_cast<int>(blockIdx.x) / unit_groups, static_cast<int>(blockIdx.x) % unit_groups, first_chunk};
  const bool streams = first_chunk < end_chunk;
  Cursor ahead = start;
  for (int slot = 0; streams && slot < work.depth && ahead.tile < tile_count; ++slot) {
    ask_weights(ahead, slot);
    next(ahead);
  }
  __syncwarp();
  grid_wait();
  ahead = start;
  for (int slot = 0; streams && slot < work.depth && ahead.tile < tile_count; ++slot) {
    ask_rows(ahead, slot);
    next(ahead);
  }

  const int g = lane / 4;
  const int q = lane % 4;
  int slot = 0;
  uint32_t parity = 0;
  int buffer = 0;
  for (Cursor at = start; at.tile < tile_count; advance(at)) {
    const RowTile tile = routing.tiles[at.tile];
    float c[2 * kUnits][kRowGroups][4] = {};
    // Columns beyond the tile's rows repeat its last row: finite, and never stored.
    uint32_t row_at[kRowGroups];
#pragma unroll
    for (int n = 0; n < kRowGroups; ++n) row_at[n] = static_cast<uint32_t>(rows_at + min(8 * n + g, tile.rows() - 1) * row_stride + q * 16);
    for (int chunk = first_chunk; chunk < end_chunk; chunk += work.stage_chunks) {
      const int count = min(work.stage_chunks, end_chunk - chunk);
      barrier_wait(barriers + static_cast<uint32_t>(slot) * 8, parity);
      const uint8_t* stage = ring + slot * work.stage_bytes;
#pragma unroll 2
      for (int i = 0; i < count; ++i) {
        uint4 rows[kRowGroups][2];
#pragma unroll
        for (int n = 0; n < kRowGroups; ++n) {
          const uint8_t* from = stage + row_at[n] + i * kRowChunkBytes;
          rows[n][0] = *reinterpret_cast<const uint4*>(from);
          rows[n][1] = *reinterpret_cast<const uint4*>(from + 64);
        }
#pragma unroll
        for (int u = 0; u < kUnits; ++u) multiply_chunk<kRowGroups>(stage + (u * work.stage_chunks + i) * kChunkBytes, lane, rows, c + 2 * u);
      }
      __syncwarp();
      if (ahead.tile < tile_count) {
        ask_weights(ahead, slot);
        ask_rows(ahead, slot);
        next(ahead);
      }
      if (++slot == work.depth) {
        slot = 0;
        parity ^= 1U;
      }
    }
    // Two buffers: a warp writes one again only after the barrier of the item between, which all reach past their reading.
    float* own = partials + (buffer * kWarps + warp) * floats;
#pragma unroll
    for (int t = 0; t < 2 * kUnits; ++t) {
#pragma unroll
      for (int n = 0; n < kRowGroups; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int column = 8 * n + 2 * q + i % 2;
          if (column < work.tile_rows) own[column * kStride + 16 * t + g + i / 2 * 8] = c[t][n][i];
        }
      }
    }
    __syncthreads();
    epilogue(tile, at.unit, routing.pairs, partials + buffer * kWarps * floats);
    buffer ^= 1;
  }
}

/// The four partial sums of (column, row), added in warp order.
template <int kUnits>
__device__ __forceinline__ float sum_partials(const float* partials, int tile_rows, int column, int row) {
  float sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) sum += partials[w * partial_floats(tile_rows, kUnits) + column * partial_stride(kUnits) + row];
  return sum;
}

}  // namespace moe::cuda::hopper
