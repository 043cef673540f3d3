#include "cuda/cutlass/quantized_chunk.cuh"
#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::cutlass_path {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ void store_floats(float* to, const float (&x)[kChunk]) {
  auto* words = reinterpret_cast<float4*>(to);
  words[0] = make_float4(x[0], x[1], x[2], x[3]);
  words[1] = make_float4(x[4], x[5], x[6], x[7]);
}

/// A thread a chunk of 8 of I; rows lie one after the other, so a warp may end one row and begin the next.
template <int Kind>
__global__ void __launch_bounds__(kThreads) activate_rows(ActivateRows work, Fp4Sink sink) {
  constexpr bool kGated = Kind != MOE_RELU2;
  const uint32_t chunks = static_cast<uint32_t>(work.intermediate / kChunk);
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  const uint32_t row = index / chunks;
  const bool active = row < static_cast<uint32_t>(work.pairs);
  const int column = static_cast<int>(index - row * chunks) * kChunk;
  float up[kChunk] = {};
  float gate[kChunk] = {};
  int64_t pair = 0;
  int expert = 0;
  float quantizer = 0.0F;
  const int width = kGated ? 2 * work.intermediate : work.intermediate;
  if (active) {
    const uint16_t* from = work.fc1 + static_cast<int64_t>(row) * width + column;
    unpack_chunk(*reinterpret_cast<const uint4*>(from), up);
    if (kGated) unpack_chunk(*reinterpret_cast<const uint4*>(from + work.intermediate), gate);
    pair = work.rows.pairs[row];
    expert = work.topk_ids[pair];
    quantizer = work.quantizer[expert];
  }
  const Activation spec{Kind, work.swiglu_alpha, work.swiglu_limit};
  float act[kChunk];
#pragma unroll
  for (int i = 0; i < kChunk; ++i) act[i] = bf16_round(kGated ? gated_activation(spec, gate[i], up[i]) : relu2(up[i]));
  const ScaledChunk chunk = scale_chunk(act, quantizer);
  if (!active) return;
  sink.store(row, expert, column, Fp4Sink::pack(chunk));
  store_tap(work.act_q, work.act_sf, pair, work.intermediate, column, chunk);
  if (work.fc1_tap != nullptr) {
    store_floats(work.fc1_tap + pair * width + column, up);
    if (kGated) store_floats(work.fc1_tap + pair * width + work.intermediate + column, gate);
  }
  if (work.act != nullptr) store_floats(work.act + pair * work.intermediate + column, act);
}

template <int Kind>
void launch(const ActivateRows& work, cudaStream_t stream) {
  const int64_t threads = static_cast<int64_t>(work.pairs) * (work.intermediate / kChunk);
  const auto blocks = static_cast<unsigned>((threads + kThreads - 1) / kThreads);
  activate_rows<Kind><<<blocks, kThreads, 0, stream>>>(work, {work.out.codes, work.out.scales, work.rows.offsets, work.rows.tile_offsets, work.intermediate});
  check_launch("activation and quantization");
}

}  // namespace

void enqueue_activate_rows(const ActivateRows& work, cudaStream_t stream) {
  switch (work.activation) {
    case MOE_GELU_TANH: return launch<MOE_GELU_TANH>(work, stream);
    case MOE_SWIGLUOAI: return launch<MOE_SWIGLUOAI>(work, stream);
    case MOE_RELU2: return launch<MOE_RELU2>(work, stream);
    default: return launch<MOE_SILU>(work, stream);
  }
}

}  // namespace moe::cuda::cutlass_path
