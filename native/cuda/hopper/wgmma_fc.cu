// FC1 and FC2 for many rows an expert (wgmma_items.cuh).
#include "cuda/hopper/launch_grouped.cuh"
#include "cuda/hopper/quantized_activation.cuh"
#include "cuda/hopper/wgmma_items.cuh"

namespace moe::cuda::hopper {
namespace {

struct WgmmaFc1Work {
  WgmmaWork items;
  Fc1Output out;
  const int32_t* pair_of_row;
};

/// One 16-block of a column (`row` of the tile) of I, rows first_row + g and + 8 of it: quantizes and stores. The eight g lanes
/// of a column share the block. A column that is padding, or a block beyond I, is stored as zero.
__device__ __forceinline__ void store_activation(const Fc1Output& out, float low, float high, int first_row, int row, int pair, bool real, float global_scale) {
  const int g = static_cast<int>(threadIdx.x % 32) / 4;
  float peak = fmaxf(fabsf(low), fabsf(high));
#pragma unroll
  for (int step = 16; step >= 4; step /= 2) peak = fmaxf(peak, __shfl_xor_sync(0xFFFFFFFFU, peak, step));
  const BlockScale scale = block_scale(out.quantizer, peak, global_scale);
  const uint32_t codes[2] = {encode_with(scale, low), encode_with(scale, high)};
  real = real && first_row < out.intermediate;
  // Neighbours in g hold neighbours in k: the even one stores both of the first half, the odd one both of the second.
  const uint32_t mine = real ? static_cast<uint32_t>(__half_as_ushort(scaled_code(codes[0], scale.sf))) | static_cast<uint32_t>(__half_as_ushort(scaled_code(codes[1], scale.sf))) << 16U : 0U;
  const uint32_t other = __shfl_xor_sync(0xFFFFFFFFU, mine, 4);
  const uint32_t word = g % 2 == 0 ? __byte_perm(mine, other, 0x5410) : __byte_perm(other, mine, 0x7632);
  if (first_row < out.act_chunks * kChunkColumns) {
    uint8_t* group = out.act_rows + static_cast<size_t>(row / kGroupRows) * out.act_chunks * kGroupChunkBytes;
    *reinterpret_cast<uint32_t*>(group + group_offset(row % kGroupRows, first_row + g / 2 * 2 + g % 2 * 8)) = word;
  }
  const size_t at = static_cast<size_t>(pair) * out.intermediate + first_row + g;
  if (out.act_tap != nullptr && real) {
    out.act_tap[at] = low;
    out.act_tap[at + 8] = high;
  }
  if (out.act_q != nullptr) {
    const uint32_t next[2] = {__shfl_down_sync(0xFFFFFFFFU, codes[0], 4), __shfl_down_sync(0xFFFFFFFFU, codes[1], 4)};
    if (real && g % 2 == 0) {
      out.act_q[at / 2] = static_cast<uint8_t>(codes[0] | next[0] << 4U);
      out.act_q[at / 2 + 4] = static_cast<uint8_t>(codes[1] | next[1] << 4U);
    }
  }
  if (out.act_sf != nullptr && real && g == 0) out.act_sf[at / 16] = scale.sf;
}

template <bool kGated, class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kMinBlocks) wgmma_fc1_kernel(const WgmmaFc1Work work) {
  grid_launch_dependents();
  const Fc1Output& out = work.out;
  const auto prepare = [&](RowTile tile) { return float2{out.multiplier[tile.expert()], out.global_scale(tile.expert())}; };
  wgmma_items<Shape>(work.items, prepare, [&](RowTile tile, int unit, float2 factors, float (&c)[2][Shape::kGroups][4]) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const int g = lane / 4;
    const float multiplier = factors.x;
    const float global_scale = factors.y;
    const int width = kGated ? 2 * out.intermediate : out.intermediate;
    const int first_row = tile.first() * kGroupRows;
    const bool tapped = out.fc1_tap != nullptr || out.act_tap != nullptr || out.act_q != nullptr || out.act_sf != nullptr;
#pragma unroll
    for (int n = 0; n < Shape::kGroups; ++n) {
      if (8 * n >= tile.rows()) break;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int column = 8 * n + 2 * (lane % 4) + i;
        const bool real = column < tile.rows();
        const int pair = tapped && real ? work.pair_of_row[first_row + column] : 0;
        float fc1[2][2];  // [tile][row g, row g + 8]
#pragma unroll
        for (int t = 0; t < 2; ++t) {
          fc1[t][0] = __fmul_rn(c[t][n][i] * kWeightFactor, multiplier);
          fc1[t][1] = __fmul_rn(c[t][n][i + 2] * kWeightFactor, multiplier);
          const int of_half = kGated ? unit * 16 : unit * 32 + t * 16;
          if (out.fc1_tap != nullptr && real && of_half < out.intermediate) {
            float* to = out.fc1_tap + static_cast<size_t>(pair) * width + (kGated ? t * out.intermediate : 0) + of_half + g;
            to[0] = fc1[t][0];
            to[8] = fc1[t][1];
          }
        }
        if constexpr (kGated) {
          const float low = bf16_round(gated_activation(out.activation, fc1[1][0], fc1[0][0]));
          const float high = bf16_round(gated_activation(out.activation, fc1[1][1], fc1[0][1]));
          store_activation(out, low, high, unit * 16, first_row + column, pair, real, global_scale);
        } else {
#pragma unroll
          for (int t = 0; t < 2; ++t) {
            store_activation(out, bf16_round(relu2(fc1[t][0])), bf16_round(relu2(fc1[t][1])), unit * 32 + t * 16, first_row + column, pair, real, global_scale);
          }
        }
      }
    }
  });
}

struct WgmmaFc2Work {
  WgmmaWork items;
  const int32_t* pair_of_row;
  int hidden;
  const float* multiplier;
  float* out;
};

template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kMinBlocks) wgmma_fc2_kernel(const WgmmaFc2Work work) {
  grid_launch_dependents();
  constexpr int kPairWords = (Shape::kGroups + 3) / 4;
  struct Prepared {
    float multiplier;
    int32_t pairs[kPairWords];  // lane's columns: lane, lane + 32
  };
  const auto prepare = [&](RowTile tile) {
    Prepared out{work.multiplier[tile.expert()], {}};
#pragma unroll
    for (int i = 0; i < kPairWords; ++i) out.pairs[i] = work.pair_of_row[tile.first() * kGroupRows + min(static_cast<int>(threadIdx.x % 32) + 32 * i, tile.rows() - 1)];
    return out;
  };
  wgmma_items<Shape>(work.items, prepare, [&](RowTile tile, int unit, const Prepared& prepared, float (&c)[2][Shape::kGroups][4]) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const int row = unit * kUnitRows + lane / 4;
#pragma unroll
    for (int n = 0; n < Shape::kGroups; ++n) {
      if (8 * n >= tile.rows()) break;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int column = 8 * n + 2 * (lane % 4) + i;
        const int pair = __shfl_sync(0xFFFFFFFFU, prepared.pairs[n / 4], column % 32);
        if (column >= tile.rows()) continue;
        float* out = work.out + static_cast<size_t>(pair) * work.hidden + row;
#pragma unroll
        for (int t = 0; t < 2; ++t) {
          if (row + t * 16 >= work.hidden) continue;  // H is a multiple of 16: the second half is inside with the first
          out[t * 16] = __fmul_rn(c[t][n][i] * kWeightFactor, prepared.multiplier);
          out[t * 16 + 8] = __fmul_rn(c[t][n][i + 2] * kWeightFactor, prepared.multiplier);
        }
      }
    }
  });
}

/// Calls `body` with the compiled form that holds tiles of `row_groups` n8 groups. What an SM holds of most is as many warps as
/// their registers allow, in more than one block, so that one multiplies while another waits or stores; of six groups there is
/// also one block of twice the units. Wider tiles were slower even where an expert has 64 rows.
template <class Body>
void with_shape(const Tuning& tuning, const Body& body) {
  if (tuning.row_groups <= 1) {
    body(WgmmaShape<1, 8, 2>{});
  } else if (tuning.row_groups <= 2) {
    body(WgmmaShape<2, 8, 2>{});
  } else if (tuning.row_groups <= 4) {
    body(WgmmaShape<4, 4, 3>{});
  } else if (tuning.blocks_per_sm == 1) {
    body(WgmmaShape<6, 8, 1>{});
  } else {
    body(WgmmaShape<6, 4, 3>{});
  }
}

template <class Shape, class Work>
void launch_wgmma(void (*kernel)(Work), Work work, const Pass& pass, const Tuning& tuning, cudaStream_t stream, const char* name) {
  WgmmaWork& w = work.items;
  w.topk_ids = pass.topk_ids;
  w.pairs = pass.pairs();
  w.experts = pass.experts;
  w.tile_rows = kGroupRows * Shape::kGroups;  // what an instruction reads, also where a tile has fewer
  w.tiles_capacity = max_tiles(w.pairs, w.experts, w.tile_rows);
  w.stage_chunks = std::min(tuning.stage_chunks, w.chunks);
  w.stage_bytes = wgmma_stage_bytes(Shape::kUnits, w.stage_chunks, w.tile_rows);
  const auto bytes_at = [&](int depth) { return wgmma_shared_bytes(Shape::kUnits, depth, w.stage_bytes, w.experts, w.tiles_capacity); };
  const int room = kSharedPerSm / std::max(1, tuning.blocks_per_sm) - kReservedPerBlock;
  int depth = std::max(2, tuning.depth);
  while (depth > 2 && bytes_at(depth) > room) --depth;
  w.depth = depth;
  if (bytes_at(depth) > room) throw Error(code::kUnsupportedShape, std::string(name) + " needs " + std::to_string(bytes_at(depth)) + " bytes of shared memory a block, there are " + std::to_string(room));
  const int64_t items = static_cast<int64_t>(w.tiles_capacity) * ((w.units + Shape::kUnits - 1) / Shape::kUnits);
  const auto blocks = static_cast<unsigned>(std::min<int64_t>(items, static_cast<int64_t>(tuning.blocks_per_sm) * pass.sm_count));
  launch(kernel, work, dim3(blocks), Shape::kThreads, bytes_at(depth), pass.overlapped, stream, name);
}

}  // namespace

void enqueue_wgmma_fc1(const Pass& pass, const Tuning& tuning, cudaStream_t stream) {
  WgmmaFc1Work work{};
  work.items.weights = pass.w13.data;
  work.items.rows = pass.x_rows;
  work.items.units = pass.w13.units;
  work.items.chunks = pass.w13.chunks;
  work.out = fc1_output(pass);
  work.pair_of_row = pass.pair_of_row;
  with_shape(tuning, [&](auto shape) {
    using Shape = decltype(shape);
    launch_wgmma<Shape>(pass.gated ? wgmma_fc1_kernel<true, Shape> : wgmma_fc1_kernel<false, Shape>, work, pass, tuning, stream, "b12x-upcast FC1, wgmma");
  });
}

void enqueue_wgmma_fc2(const Pass& pass, const Tuning& tuning, cudaStream_t stream) {
  WgmmaFc2Work work{};
  work.items.weights = pass.w2.data;
  work.items.rows = pass.act_rows;
  work.items.units = pass.w2.units;
  work.items.chunks = pass.w2.chunks;
  work.pair_of_row = pass.pair_of_row;
  work.hidden = pass.hidden;
  work.multiplier = pass.fc2_multiplier;
  work.out = pass.fc2;
  with_shape(tuning, [&](auto shape) { launch_wgmma<decltype(shape)>(wgmma_fc2_kernel<decltype(shape)>, work, pass, tuning, stream, "b12x-upcast FC2, wgmma"); });
}

}  // namespace moe::cuda::hopper
