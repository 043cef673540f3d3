// FC2 from quantized rows to fp32 rows of each routed pair, and their sum over slots.
#include "cuda/hopper/launch_grouped.cuh"
#include "cuda/hopper/stream.cuh"
#include "cuda/kernels/formats.cuh"

namespace moe::cuda::hopper {
namespace {

struct Fc2Work {
  StreamWork stream;
  int hidden;
  const float* multiplier;
  float* out;
  // With few pairs the last writer of a token's rows adds them up, instead of another kernel.
  int32_t* arrivals;  ///< [T, units] zero at the start; nullptr: enqueue_finalize() follows
  const float* weights;
  uint16_t* y;
  int top_k;
};

/// Adds a token's rows up once all its pairs have come, in slot order like finalize_kernel, so it does not matter who is last.
template <int kUnits>
__device__ __forceinline__ void finish_when_last(const Fc2Work& work, int token, int group) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  __threadfence();
  __syncwarp();
  int before = 0;
  if (lane == 0) before = atomicAdd(work.arrivals + token * work.stream.units + group, 1);
  if (__shfl_sync(0xFFFFFFFFU, before, 0) != work.top_k - 1) return;
  __threadfence();
#pragma unroll
  for (int u = 0; u < kUnits; ++u) {
    const int row = (group * kUnits + u) * kUnitRows + lane;
    if (row >= work.hidden) break;
    float sum = 0;
#pragma unroll 8
    for (int slot = 0; slot < work.top_k; ++slot) {
      const int pair = token * work.top_k + slot;
      sum = __fadd_rn(sum, __fmul_rn(work.weights[pair], __ldcg(work.out + static_cast<size_t>(pair) * work.hidden + row)));
    }
    work.y[static_cast<size_t>(token) * work.hidden + row] = bf16_encode(sum);
  }
}

template <int kRowGroups, int kUnits>
__global__ void __launch_bounds__(kWarps * 32, min_blocks(kRowGroups, kUnits)) fc2_kernel(const Fc2Work work) {
  grid_launch_dependents();
  stream_items<kRowGroups, kUnits>(work.stream, [&](RowTile tile, int group, const uint16_t* pairs, const float* partials) {
    const int warp = static_cast<int>(threadIdx.x / 32);
    const int lane = static_cast<int>(threadIdx.x % 32);
    const float multiplier = work.multiplier[tile.expert()];
    for (int column = warp; column < tile.rows(); column += kWarps) {
      const int pair = pairs[tile.first() + column];
      float* out = work.out + static_cast<size_t>(pair) * work.hidden;
#pragma unroll
      for (int u = 0; u < kUnits; ++u) {
        const int row = (group * kUnits + u) * kUnitRows + lane;
        if (row < work.hidden) out[row] = __fmul_rn(sum_partials<kUnits>(partials, work.stream.tile_rows, column, u * kUnitRows + lane) * kWeightFactor, multiplier);
      }
      if (work.arrivals != nullptr) finish_when_last<kUnits>(work, pair / work.top_k, group);
    }
  });
}

struct FinalizeWork {
  const float* fc2;      ///< [T * k, H]
  const float* weights;  ///< [T, k]
  uint16_t* y;
  int tokens, top_k, hidden;
};

constexpr int kFinalizeThreads = 128;

/// y[t] = bf16(sum over slots, in slot order, of weight * fc2): one rounding. A thread has four columns.
__global__ void __launch_bounds__(kFinalizeThreads) finalize_kernel(const FinalizeWork work) {
  grid_wait();
  const int column = static_cast<int>(blockIdx.x * kFinalizeThreads + threadIdx.x) * 4;
  const int token = static_cast<int>(blockIdx.y);
  if (column >= work.hidden) return;
  float sum[4] = {};
#pragma unroll 8
  for (int slot = 0; slot < work.top_k; ++slot) {
    const float weight = work.weights[token * work.top_k + slot];
    const float4 row = *reinterpret_cast<const float4*>(work.fc2 + (static_cast<size_t>(token) * work.top_k + slot) * work.hidden + column);
    const float values[4] = {row.x, row.y, row.z, row.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] = __fadd_rn(sum[i], __fmul_rn(weight, values[i]));
  }
  *reinterpret_cast<uint2*>(work.y + static_cast<size_t>(token) * work.hidden + column) = make_uint2(bf16x2_encode(sum[0], sum[1]), bf16x2_encode(sum[2], sum[3]));
}

}  // namespace

void enqueue_fc2(const Pass& pass, const Tuning& tuning, cudaStream_t stream) {
  Fc2Work work{};
  work.stream = {pass.w2.data, pass.act_rows, pass.topk_ids, pass.w2.units, pass.w2.chunks, pass.pairs(), pass.experts, divisor_of(1), 0, 0, 0, 0, 0};
  work.hidden = pass.hidden;
  work.multiplier = pass.fc2_multiplier;
  work.out = pass.fc2;
  work.arrivals = pass.arrivals;
  work.weights = pass.topk_weights;
  work.y = pass.y;
  work.top_k = pass.top_k;
  with_tile(tuning, [&](auto groups, auto units) { launch_grouped<groups.value, units.value>(fc2_kernel<groups.value, units.value>, work, pass, tuning, stream, "b12x-upcast FC2"); });
}

void enqueue_finalize(const Pass& pass, cudaStream_t stream) {
  const FinalizeWork work{pass.fc2, pass.topk_weights, pass.y, pass.tokens, pass.top_k, pass.hidden};
  const auto columns = static_cast<unsigned>((pass.hidden / 4 + kFinalizeThreads - 1) / kFinalizeThreads);
  launch(finalize_kernel, work, dim3(columns, static_cast<unsigned>(pass.tokens)), kFinalizeThreads, 0, pass.overlapped, stream, "b12x-upcast finalize");
}

}  // namespace moe::cuda::hopper
