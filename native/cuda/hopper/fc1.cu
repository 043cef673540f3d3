// FC1, its activation and the quantization of FC2's input, from the quantized rows of x to fp16 rows of code * SF.
#include "cuda/hopper/launch_grouped.cuh"
#include "cuda/hopper/finish_unit.cuh"
#include "cuda/hopper/stream.cuh"

namespace moe::cuda::hopper {
namespace {

struct Fc1Work {
  StreamWork stream;
  Fc1Output out;
};

template <int kRowGroups, int kUnits, bool kGated>
__global__ void __launch_bounds__(kWarps * 32, min_blocks(kRowGroups, kUnits)) fc1_kernel(const Fc1Work work) {
  grid_launch_dependents();
  stream_items<kRowGroups, kUnits>(work.stream, [&](RowTile tile, int group, const uint16_t* pairs, const float* partials) {
    const int warp = static_cast<int>(threadIdx.x / 32);
    const int lane = static_cast<int>(threadIdx.x % 32);
    const float multiplier = work.out.multiplier[tile.expert()];
    const float global_scale = work.out.global_scale(tile.expert());
    for (int column = warp; column < tile.rows(); column += kWarps) {
      const int pair = pairs[tile.first() + column];
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        const int unit = group * kUnits + u;
        if (unit >= work.stream.units) break;
        const float sum = sum_partials<kUnits>(partials, work.stream.tile_rows, column, u * kUnitRows + lane);
        finish_unit<kGated>(work.out, __fmul_rn(sum * kWeightFactor, multiplier), unit, pair, global_scale);
      }
    }
  });
}

}  // namespace

void enqueue_fc1(const Pass& pass, const Tuning& tuning, cudaStream_t stream) {
  Fc1Work work{};
  work.stream = {pass.w13.data, pass.x_rows, pass.topk_ids, pass.w13.units, pass.w13.chunks, pass.pairs(), pass.experts, divisor_of(pass.shared_x ? pass.top_k : 1), 0, 0, 0, 0, 0};
  work.out = fc1_output(pass);
  with_tile(tuning, [&](auto groups, auto units) {
    if (pass.gated) {
      launch_grouped<groups.value, units.value>(fc1_kernel<groups.value, units.value, true>, work, pass, tuning, stream, "b12x-upcast FC1");
    } else {
      launch_grouped<groups.value, units.value>(fc1_kernel<groups.value, units.value, false>, work, pass, tuning, stream, "b12x-upcast FC1");
    }
  });
}

}  // namespace moe::cuda::hopper
