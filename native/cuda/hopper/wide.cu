// FC1 and FC2 for many rows an expert (wide.cuh).
#include "cuda/hopper/launch_grouped.cuh"
#include "cuda/hopper/quantized_activation.cuh"
#include "cuda/hopper/wide.cuh"

namespace moe::cuda::hopper {
namespace {

struct WideFc1Work {
  WideWork wide;
  Fc1Output out;
};

/// Two values of one 16-block and column, rows g and g + 8 of `first_row`: quantizes and stores. The eight g lanes of a
/// column share the block.
__device__ __forceinline__ void store_activation(const Fc1Output& out, float low, float high, int first_row, int pair, bool stores, float global_scale) {
  const int g = static_cast<int>(threadIdx.x % 32) / 4;
  float peak = fmaxf(fabsf(low), fabsf(high));
#pragma unroll
  for (int step = 16; step >= 4; step /= 2) peak = fmaxf(peak, __shfl_xor_sync(0xFFFFFFFFU, peak, step));
  const BlockScale scale = block_scale(out.quantizer, peak, global_scale);
  const uint32_t codes[2] = {encode_with(scale, low), encode_with(scale, high)};
  stores = stores && first_row < out.intermediate;
  if (stores) {
    uint8_t* row = out.act_rows + static_cast<size_t>(pair) * out.act_chunks * kRowChunkBytes;
    *reinterpret_cast<__half*>(row + row_offset(first_row + g)) = scaled_code(codes[0], scale.sf);
    *reinterpret_cast<__half*>(row + row_offset(first_row + g + 8)) = scaled_code(codes[1], scale.sf);
  }
  const size_t at = static_cast<size_t>(pair) * out.intermediate + first_row + g;
  if (out.act_tap != nullptr && stores) {
    out.act_tap[at] = low;
    out.act_tap[at + 8] = high;
  }
  if (out.act_q != nullptr) {
    const uint32_t next[2] = {__shfl_down_sync(0xFFFFFFFFU, codes[0], 4), __shfl_down_sync(0xFFFFFFFFU, codes[1], 4)};
    if (stores && g % 2 == 0) {
      out.act_q[at / 2] = static_cast<uint8_t>(codes[0] | next[0] << 4U);
      out.act_q[at / 2 + 4] = static_cast<uint8_t>(codes[1] | next[1] << 4U);
    }
  }
  if (out.act_sf != nullptr && stores && g == 0) out.act_sf[at / 16] = scale.sf;
}

constexpr int wide_min_blocks(int most) { return most == kFewGroups ? 3 : 2; }

template <bool kGated, int kMost>
__global__ void __launch_bounds__(kWideThreads, wide_min_blocks(kMost)) wide_fc1_kernel(const WideFc1Work work) {
  grid_launch_dependents();
  wide_items<kMost>(work.wide, [&](RowTile tile, int unit, const uint16_t* pairs, float (&c)[2][kMost][4]) {
    const Fc1Output& out = work.out;
    const int lane = static_cast<int>(threadIdx.x % 32);
    const int g = lane / 4;
    const float multiplier = out.multiplier[tile.expert()];
    const float global_scale = out.global_scale(tile.expert());
    const int width = kGated ? 2 * out.intermediate : out.intermediate;
#pragma unroll
    for (int n = 0; n < kMost; ++n) {
      if (8 * n >= tile.rows()) break;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int column = 8 * n + 2 * (lane % 4) + i;
        const bool stores = column < tile.rows();
        const int pair = pairs[tile.first() + (stores ? column : 0)];
        float fc1[2][2];  // [tile][row g, row g + 8]
#pragma unroll
        for (int t = 0; t < 2; ++t) {
          fc1[t][0] = __fmul_rn(c[t][n][i] * kWeightFactor, multiplier);
          fc1[t][1] = __fmul_rn(c[t][n][i + 2] * kWeightFactor, multiplier);
          const int row = (kGated ? t * out.intermediate + unit * 16 : unit * 32 + t * 16) + g;
          if (out.fc1_tap != nullptr && stores && row < width) {
            out.fc1_tap[static_cast<size_t>(pair) * width + row] = fc1[t][0];
            out.fc1_tap[static_cast<size_t>(pair) * width + row + 8] = fc1[t][1];
          }
        }
        if constexpr (kGated) {
          store_activation(out, bf16_round(gated_activation(out.activation, fc1[1][0], fc1[0][0])), bf16_round(gated_activation(out.activation, fc1[1][1], fc1[0][1])), unit * 16, pair, stores, global_scale);
        } else {
#pragma unroll
          for (int t = 0; t < 2; ++t) store_activation(out, bf16_round(relu2(fc1[t][0])), bf16_round(relu2(fc1[t][1])), unit * 32 + t * 16, pair, stores, global_scale);
        }
      }
    }
  });
}

struct WideFc2Work {
  WideWork wide;
  int hidden;
  const float* multiplier;
  float* out;
};

template <int kMost>
__global__ void __launch_bounds__(kWideThreads, wide_min_blocks(kMost)) wide_fc2_kernel(const WideFc2Work work) {
  grid_launch_dependents();
  wide_items<kMost>(work.wide, [&](RowTile tile, int unit, const uint16_t* pairs, float (&c)[2][kMost][4]) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const float multiplier = work.multiplier[tile.expert()];
#pragma unroll
    for (int n = 0; n < kMost; ++n) {
      if (8 * n >= tile.rows()) break;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int column = 8 * n + 2 * (lane % 4) + i;
        if (column >= tile.rows()) continue;
        float* out = work.out + static_cast<size_t>(pairs[tile.first() + column]) * work.hidden;
#pragma unroll
        for (int t = 0; t < 2; ++t) {
          const int row = unit * kUnitRows + t * 16 + lane / 4;
          if (row >= work.hidden) continue;  // H is a multiple of 16: the second half is inside with the first
          out[row] = __fmul_rn(c[t][n][i] * kWeightFactor, multiplier);
          out[row + 8] = __fmul_rn(c[t][n][i + 2] * kWeightFactor, multiplier);
        }
      }
    }
  });
}

template <class Work>
void launch_wide(void (*kernel)(Work), Work work, const Pass& pass, const Tuning& tuning, cudaStream_t stream, const char* name) {
  WideWork& w = work.wide;
  w.tile_rows = std::min({8 * kWideGroups, 8 * tuning.row_groups, (pass.tokens + 7) / 8 * 8});
  w.tiles_capacity = max_tiles(w.pairs, w.experts, w.tile_rows);
  w.stage_bytes = wide_stage_bytes(w.tile_rows);
  const auto bytes_at = [&](int depth) { return wide_shared_bytes(depth, w.tile_rows, w.experts, w.pairs, w.tiles_capacity); };
  const int room = kSharedPerSm / std::max(1, tuning.blocks_per_sm) - kReservedPerBlock;
  int depth = std::max(2, tuning.depth);
  while (depth > 2 && bytes_at(depth) > room) --depth;
  w.depth = depth;
  const int64_t items = static_cast<int64_t>(w.tiles_capacity) * ((w.units + kWideWarps - 1) / kWideWarps);
  const auto blocks = static_cast<unsigned>(std::min<int64_t>(items, static_cast<int64_t>(tuning.blocks_per_sm) * pass.sm_count));
  launch(kernel, work, dim3(blocks), kWideThreads, bytes_at(depth), pass.overlapped, stream, name);
}

}  // namespace

void enqueue_wide_fc1(const Pass& pass, const Tuning& tuning, cudaStream_t stream) {
  WideFc1Work work{};
  work.wide = {pass.w13.data, pass.x_rows, pass.topk_ids, pass.w13.units, pass.w13.chunks, pass.pairs(), pass.experts, divisor_of(pass.shared_x ? pass.top_k : 1), 0, 0, 0, 0};
  work.out = fc1_output(pass);
  const bool few = tuning.row_groups <= kFewGroups;
  const auto kernel = pass.gated ? (few ? wide_fc1_kernel<true, kFewGroups> : wide_fc1_kernel<true, kWideGroups>) : (few ? wide_fc1_kernel<false, kFewGroups> : wide_fc1_kernel<false, kWideGroups>);
  launch_wide(kernel, work, pass, tuning, stream, "b12x-upcast FC1, wide");
}

void enqueue_wide_fc2(const Pass& pass, const Tuning& tuning, cudaStream_t stream) {
  WideFc2Work work{};
  work.wide = {pass.w2.data, pass.act_rows, pass.topk_ids, pass.w2.units, pass.w2.chunks, pass.pairs(), pass.experts, divisor_of(1), 0, 0, 0, 0};
  work.hidden = pass.hidden;
  work.multiplier = pass.fc2_multiplier;
  work.out = pass.fc2;
  launch_wide(tuning.row_groups <= kFewGroups ? wide_fc2_kernel<kFewGroups> : wide_fc2_kernel<kWideGroups>, work, pass, tuning, stream, "b12x-upcast FC2, wide");
}

}  // namespace moe::cuda::hopper
