// FC2 of b12x's grouped kernels: up to 16 * kMaxRowWarps routed pairs of one expert times 128 columns of H. A block of
// threads owns all slices of I of its tile, so that only slots meet in y.
#pragma once

#include <cuda_bf16.h>

#include "cuda/b12x/fc1.cuh"

namespace moe::cuda::b12x {

/// What one slice of one pair leaves of two neighbouring columns.
struct Contribution {
  float fc2[2];    ///< before the router weight
  uint32_t added;  ///< two bf16
};

__device__ __forceinline__ Contribution contribute(bool by_slice, float acc0, float acc1, float alpha, float weight) {
  Contribution out;
  if (by_slice) {
    out.fc2[0] = bf16_round(__fmul_rn(acc0, alpha));
    out.fc2[1] = bf16_round(__fmul_rn(acc1, alpha));
    out.added = bf16x2_encode(__fmul_rn(out.fc2[0], weight), __fmul_rn(out.fc2[1], weight));
  } else {
    const float combined = bf16_round(__fmul_rn(alpha, weight));
    const float rounded[2] = {bf16_round(acc0), bf16_round(acc1)};
    out.fc2[0] = __fmul_rn(rounded[0], alpha);
    out.fc2[1] = __fmul_rn(rounded[1], alpha);
    out.added = bf16x2_encode(__fmul_rn(rounded[0], combined), __fmul_rn(rounded[1], combined));
  }
  return out;
}

template <class Mma, int kRowWarps>
__device__ __forceinline__ void fc2_tile(const Fc2Work& work, const TileRows& tile, int first_column) {
  using Layout = WarpLayout<kRowWarps>;
  const Layout layout(static_cast<int>(threadIdx.x / 32U));
  if (16 * layout.row_warp >= tile.count) return;
  const int lane = static_cast<int>(threadIdx.x % 32U);
  const int g = lane / 4;
  const int q = lane % 4;
  const int hidden = work.w2.n;
  const int32_t* pairs = work.tiles.rows.pairs + tile.first;
  const WeightPlane weights(work.w2, tile.expert);
  const ActivationLane rows = lane_rows(work.act_q, work.act_sf, weights.k, 16 * layout.row_warp, tile.count, [&](int r) { return pairs[r]; });
  const int column0 = first_column + layout.first_column;
  const float alpha = work.multiplier[tile.expert];
  const int steps_per_slice = work.by_slice ? kSliceWidth / kStepK : weights.k_tiles;

  for (int slice = 0; slice < work.slices; ++slice) {
    float acc[Layout::kColumnTiles][4] = {};
    const int last_step = min(weights.k_tiles, (slice + 1) * steps_per_slice);
    for (int step = slice * steps_per_slice; step < last_step; ++step) {
      uint32_t a[4];
      uint32_t sfa;
      load_a(rows, q, step, weights.k, a, sfa);
#pragma unroll
      for (int n = 0; n < Layout::kColumnTiles; ++n) {
        if (column0 + 8 * n >= hidden) continue;  // the same for the whole warp
        uint32_t b[2];
        uint32_t sfb;
        load_b(weights, column0 + 8 * n, g, q, step, b, sfb);
        Mma::run(acc[n], a, b, sfa, sfb);
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = 16 * layout.row_warp + g + 8 * half;
      if (row >= tile.count) continue;
      const int64_t pair = pairs[row];
      const float weight = work.topk_weights[pair];
#pragma unroll
      for (int n = 0; n < Layout::kColumnTiles; ++n) {
        const int column = column0 + 8 * n + 2 * q;
        if (column >= hidden) continue;
        const Contribution out = contribute(work.by_slice, acc[n][2 * half], acc[n][2 * half + 1], alpha, weight);
        if (work.contributions != nullptr) {
          *reinterpret_cast<uint32_t*>(work.contributions + (pair * work.slices + slice) * hidden + column) = out.added;
        } else {
          __nv_bfloat162 value;
          *reinterpret_cast<uint32_t*>(&value) = out.added;
          atomicAdd(reinterpret_cast<__nv_bfloat162*>(work.y + pair / work.top_k * hidden + column), value);
        }
        if (work.fc2 != nullptr) {
          // Only this lane has these two columns of this pair, slice after slice.
          auto* tap = reinterpret_cast<float2*>(work.fc2 + pair * hidden + column);
          const float2 before = slice == 0 ? make_float2(0.0F, 0.0F) : *tap;
          *tap = make_float2(__fadd_rn(before.x, out.fc2[0]), __fadd_rn(before.y, out.fc2[1]));
        }
      }
    }
  }
}

template <class Mma, int kMaxRowWarps>
__global__ void __launch_bounds__(kThreads) fc2_kernel(const Fc2Work work) {
  const TileRows tile = find_rows(work.tiles, static_cast<int>(blockIdx.x));
  if (tile.count == 0) return;
  const int first_column = static_cast<int>(blockIdx.y) * kTileN;
  if (tile.count <= 16) {
    fc2_tile<Mma, 1>(work, tile, first_column);
  } else if (kMaxRowWarps <= 2 || tile.count <= 32) {
    fc2_tile<Mma, (kMaxRowWarps < 2 ? kMaxRowWarps : 2)>(work, tile, first_column);
  } else if (kMaxRowWarps <= 4 || tile.count <= 64) {
    fc2_tile<Mma, (kMaxRowWarps < 4 ? kMaxRowWarps : 4)>(work, tile, first_column);
  } else {
    fc2_tile<Mma, kMaxRowWarps>(work, tile, first_column);
  }
}

template <class Mma>
void launch_fc2(const Fc2Work& work, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(work.tiles.max_tiles), static_cast<unsigned>((work.w2.n + kTileN - 1) / kTileN));
  const int rows = work.tiles.tile_m < work.tiles.pairs ? work.tiles.tile_m : work.tiles.pairs;
  if (rows <= 16) {
    fc2_kernel<Mma, 1><<<grid, kThreads, 0, stream>>>(work);
  } else if (rows <= 32) {
    fc2_kernel<Mma, 2><<<grid, kThreads, 0, stream>>>(work);
  } else if (rows <= 64) {
    fc2_kernel<Mma, 4><<<grid, kThreads, 0, stream>>>(work);
  } else {
    fc2_kernel<Mma, 8><<<grid, kThreads, 0, stream>>>(work);
  }
  check_launch("b12x FC2");
}

}  // namespace moe::cuda::b12x
