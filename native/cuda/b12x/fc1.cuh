// FC1 of b12x's grouped kernels: one block of threads computes up to 16 * kMaxRowWarps routed pairs of one expert times 128
// columns of I, activates, rounds to bf16 and quantizes, since the 16-blocks of FC2's input lie within those columns.
#pragma once

#include "cuda/b12x/grouped.h"
#include "cuda/b12x/warp_tile.cuh"
#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/launch_check.h"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda::b12x {

/// bf16 of a tile row; 8 more than 128, so that rows start in different banks and at 16 bytes.
inline constexpr int kActPitch = kTileN + 8;

/// Rows of block `tile`; count 0 beyond the last tile.
__device__ __forceinline__ TileRows find_rows(const RowTiles& tiles, int tile) {
  if (tile >= tiles.rows.tile_offsets[tiles.experts]) return {0, 0, 0};
  const int expert = expert_of_tile(tiles.rows.tile_offsets, tiles.experts, tile);
  const int first = tiles.rows.offsets[expert] + (tile - tiles.rows.tile_offsets[expert]) * tiles.tile_m;
  return {expert, first, min(tiles.rows.offsets[expert + 1] - first, tiles.tile_m)};
}

/// Pointers of this lane's rows; `row_of(r)` gives the activation row of tile row r.
template <class RowOf>
__device__ __forceinline__ ActivationLane lane_rows(const uint8_t* codes, const uint8_t* scales, int k, int first_row, int count, const RowOf& row_of) {
  const int lane = static_cast<int>(threadIdx.x % 32U);
  const int g = first_row + lane / 4;
  const int scale_row = g + 8 * (lane % 2);
  ActivationLane out;
  out.codes[0] = g < count ? codes + static_cast<int64_t>(row_of(g)) * (k / 2) : nullptr;
  out.codes[1] = g + 8 < count ? codes + static_cast<int64_t>(row_of(g + 8)) * (k / 2) : nullptr;
  out.scales = scale_row < count ? scales + static_cast<int64_t>(row_of(scale_row)) * (k / kBlock) : nullptr;
  return out;
}

/// The sums of a tile, activated, as bf16 in `shared` [16 * kRowWarps][kActPitch].
template <class Mma, bool kGated, int kRowWarps>
__device__ __forceinline__ void fc1_tile(const Fc1Work& work, const TileRows& tile, int first_column, uint16_t* shared) {
  using Layout = WarpLayout<kRowWarps>;
  const Layout layout(static_cast<int>(threadIdx.x / 32U));
  if (16 * layout.row_warp >= tile.count) return;
  const int lane = static_cast<int>(threadIdx.x % 32U);
  const int g = lane / 4;
  const int q = lane % 4;
  const int32_t* pairs = work.tiles.rows.pairs + tile.first;
  const WeightPlane weights(work.w13, tile.expert);
  const ActivationLane rows = lane_rows(work.x_q, work.x_sf, weights.k, 16 * layout.row_warp, tile.count, [&](int r) { return pairs[r] / work.pairs_per_x_row; });
  const int column0 = first_column + layout.first_column;

  float up[Layout::kColumnTiles][4] = {};
  float gate[kGated ? Layout::kColumnTiles : 1][4] = {};
  for (int step = 0; step < weights.k_tiles; ++step) {
    uint32_t a[4];
    uint32_t sfa;
    load_a(rows, q, step, weights.k, a, sfa);
#pragma unroll
    for (int n = 0; n < Layout::kColumnTiles; ++n) {
      if (column0 + 8 * n >= work.intermediate) continue;  // the same for the whole warp
      uint32_t b[2];
      uint32_t sfb;
      load_b(weights, column0 + 8 * n, g, q, step, b, sfb);
      Mma::run(up[n], a, b, sfa, sfb);
      if constexpr (kGated) {
        load_b(weights, work.intermediate + column0 + 8 * n, g, q, step, b, sfb);
        Mma::run(gate[n], a, b, sfa, sfb);
      }
    }
  }

  const Activation activation{work.activation, work.swiglu_alpha, work.swiglu_limit};
  const float multiplier = work.multiplier[tile.expert];
  const int64_t fc1_width = (kGated ? 2LL : 1LL) * work.intermediate;
#pragma unroll
  for (int n = 0; n < Layout::kColumnTiles; ++n) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = 16 * layout.row_warp + g + 8 * half;
      const int column = column0 + 8 * n + 2 * q;
      if (row >= tile.count || column >= work.intermediate) continue;
      float values[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float u = __fmul_rn(up[n][2 * half + i], multiplier);
        const float t = kGated ? __fmul_rn(gate[kGated ? n : 0][2 * half + i], multiplier) : 0.0F;
        values[i] = kGated ? gated_activation(activation, t, u) : relu2(u);
        if (work.fc1 != nullptr) {
          float* tap = work.fc1 + pairs[row] * fc1_width + column + i;
          tap[0] = u;
          if constexpr (kGated) tap[work.intermediate] = t;
        }
      }
      *reinterpret_cast<uint32_t*>(shared + row * kActPitch + column - first_column) = bf16x2_encode(values[0], values[1]);
    }
  }
}

template <class Mma, bool kGated, int kMaxRowWarps>
__global__ void __launch_bounds__(kThreads) fc1_kernel(const Fc1Work work) {
  __shared__ __align__(16) uint16_t shared[16 * kMaxRowWarps * kActPitch];
  const TileRows tile = find_rows(work.tiles, static_cast<int>(blockIdx.x));
  if (tile.count == 0) return;
  const int first_column = static_cast<int>(blockIdx.y) * kTileN;
  // The warps share the tile as its rows ask for; sums do not depend on it.
  if (tile.count <= 16) {
    fc1_tile<Mma, kGated, 1>(work, tile, first_column, shared);
  } else if (kMaxRowWarps <= 2 || tile.count <= 32) {
    fc1_tile<Mma, kGated, (kMaxRowWarps < 2 ? kMaxRowWarps : 2)>(work, tile, first_column, shared);
  } else if (kMaxRowWarps <= 4 || tile.count <= 64) {
    fc1_tile<Mma, kGated, (kMaxRowWarps < 4 ? kMaxRowWarps : 4)>(work, tile, first_column, shared);
  } else {
    fc1_tile<Mma, kGated, kMaxRowWarps>(work, tile, first_column, shared);
  }
  __syncthreads();

  constexpr int kBlocks = kTileN / kBlock;
  const float scale = work.quantizer_scale[tile.expert];
  for (int i = static_cast<int>(threadIdx.x); i < tile.count * kBlocks; i += kThreads) {
    const int row = i / kBlocks;
    const int column = first_column + i % kBlocks * kBlock;
    if (column >= work.intermediate) continue;
    const auto* from = reinterpret_cast<const uint4*>(shared + row * kActPitch + column - first_column);
    float x[kBlock];
    unpack_bf16(from[0], from[1], x);
    const int64_t pair = work.tiles.rows.pairs[tile.first + row];
    const Fp4Block out = quantize_block(work.quantizer, x, scale);
    *reinterpret_cast<uint2*>(work.act_q + (pair * work.intermediate + column) / 2) = out.codes;
    work.act_sf[(pair * work.intermediate + column) / kBlock] = out.sf;
    if (work.act != nullptr) {
      for (int j = 0; j < kBlock; ++j) work.act[pair * work.intermediate + column + j] = x[j];
    }
  }
}

template <class Mma, bool kGated>
void launch_fc1_gated(const Fc1Work& work, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(work.tiles.max_tiles), static_cast<unsigned>((work.intermediate + kTileN - 1) / kTileN));
  // A tile never has more rows than the launch has pairs.
  const int rows = work.tiles.tile_m < work.tiles.pairs ? work.tiles.tile_m : work.tiles.pairs;
  if (rows <= 16) {
    fc1_kernel<Mma, kGated, 1><<<grid, kThreads, 0, stream>>>(work);
  } else if (rows <= 32) {
    fc1_kernel<Mma, kGated, 2><<<grid, kThreads, 0, stream>>>(work);
  } else if (rows <= 64) {
    fc1_kernel<Mma, kGated, 4><<<grid, kThreads, 0, stream>>>(work);
  } else {
    fc1_kernel<Mma, kGated, 8><<<grid, kThreads, 0, stream>>>(work);
  }
  check_launch("b12x FC1");
}

template <class Mma>
void launch_fc1(const Fc1Work& work, cudaStream_t stream) {
  if (work.activation == MOE_RELU2) {
    launch_fc1_gated<Mma, false>(work, stream);
  } else {
    launch_fc1_gated<Mma, true>(work, stream);
  }
}

}  // namespace moe::cuda::b12x
