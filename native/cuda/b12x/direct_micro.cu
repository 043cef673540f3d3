#include "cuda/b12x/direct_micro.h"

#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/launch_check.h"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda::b12x {
namespace {

constexpr int kFc1Warps = kBlock;  ///< a warp a column, so that a block of threads makes one quantized block
constexpr int kFc2Warps = 8;

/// One weight row against one activation row; every lane gets the sum.
__device__ __forceinline__ float warp_dot(const DeviceOperand& weights, int expert, int row, const uint8_t* codes, const uint8_t* scales) {
  const int blocks = weights.k / kBlock;
  const int k_tiles = (blocks + 3) / 4;
  const uint8_t* weight_codes = weights.packed + (static_cast<int64_t>(expert) * weights.n + row) * (weights.k / 2);
  const uint8_t* plane = weights.scales + static_cast<int64_t>(expert) * static_cast<int64_t>(weights.scale_plane_bytes);
  float sum = 0;
  for (int block = static_cast<int>(threadIdx.x % 32U); block < blocks; block += 32) {
    const uint2 w = __ldg(reinterpret_cast<const uint2*>(weight_codes + block * 8));
    const uint2 a = *reinterpret_cast<const uint2*>(codes + block * 8);
    const uint32_t left[2] = {w.x, w.y};
    const uint32_t right[2] = {a.x, a.y};
    int dot = 0;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      dot = __dp4a(static_cast<int>(e2m1x4_halves(left[i])), static_cast<int>(e2m1x4_halves(right[i])), dot);
      dot = __dp4a(static_cast<int>(e2m1x4_halves(left[i] >> 16U)), static_cast<int>(e2m1x4_halves(right[i] >> 16U)), dot);
    }
    const float scale = __fmul_rn(e4m3_decode(scales[block]), 0.25F * e4m3_decode(__ldg(plane + scale_offset_128x4(row, block, k_tiles))));
    sum = __fadd_rn(sum, __fmul_rn(static_cast<float>(dot), scale));
  }
  for (int step = 16; step > 0; step /= 2) sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFU, sum, step));
  return sum;
}

/// Grid (I / 16, pairs).
__global__ void __launch_bounds__(kFc1Warps * 32) direct_fc1(const DirectFc1Work work) {
  __shared__ float values[kBlock];
  const int warp = static_cast<int>(threadIdx.x / 32U);
  const int column = static_cast<int>(blockIdx.x) * kBlock + warp;
  const int64_t pair = blockIdx.y;
  const int expert = work.topk_ids[pair];
  const int64_t x_row = pair / work.pairs_per_x_row;
  const uint8_t* codes = work.x_q + x_row * (work.w13.k / 2);
  const uint8_t* scales = work.x_sf + x_row * (work.w13.k / kBlock);
  const float multiplier = work.multiplier[expert];
  const bool gated = work.activation != MOE_RELU2;
  const float up = __fmul_rn(warp_dot(work.w13, expert, column, codes, scales), multiplier);
  const float gate = gated ? __fmul_rn(warp_dot(work.w13, expert, work.intermediate + column, codes, scales), multiplier) : 0.0F;
  if (threadIdx.x % 32U == 0U) {
    const Activation activation{work.activation, work.swiglu_alpha, work.swiglu_limit};
    const float value = bf16_round(gated ? gated_activation(activation, gate, up) : relu2(up));
    values[warp] = value;
    if (work.fc1 != nullptr) {
      float* tap = work.fc1 + pair * (gated ? 2 : 1) * work.intermediate + column;
      tap[0] = up;
      if (gated) tap[work.intermediate] = gate;
    }
    if (work.act != nullptr) work.act[pair * work.intermediate + column] = value;
  }
  __syncthreads();
  if (threadIdx.x != 0U) return;
  float x[kBlock];
#pragma unroll
  for (int i = 0; i < kBlock; ++i) x[i] = values[i];
  float scale = work.quantizer_scale[expert];
  if (work.inverts_scale && scale != 0.0F) scale = __fdiv_rn(1.0F, scale);
  const Fp4Block out = quantize_block<BlockQuantizer::kDirectMicro>(x, scale);
  *reinterpret_cast<uint2*>(work.act_q + pair * (work.intermediate / 2) + blockIdx.x * 8) = out.codes;
  work.act_sf[pair * (work.intermediate / kBlock) + blockIdx.x] = out.sf;
}

/// Grid (ceil(H / 8), tokens), a warp a column of y.
__global__ void __launch_bounds__(kFc2Warps * 32) direct_fc2(const DirectFc2Work work) {
  const int column = static_cast<int>(blockIdx.x * kFc2Warps + threadIdx.x / 32U);
  if (column >= work.w2.n) return;
  const int64_t token = blockIdx.y;
  float y = 0;
  for (int slot = 0; slot < work.top_k; ++slot) {
    const int64_t pair = token * work.top_k + slot;
    const int expert = work.topk_ids[pair];
    const float alpha = work.multiplier[expert];
    const float acc = warp_dot(work.w2, expert, column, work.act_q + pair * (work.w2.k / 2), work.act_sf + pair * (work.w2.k / kBlock));
    y = __fadd_rn(y, __fmul_rn(acc, __fmul_rn(alpha, work.topk_weights[pair])));
    if (work.fc2 != nullptr && threadIdx.x % 32U == 0U) work.fc2[pair * work.w2.n + column] = __fmul_rn(acc, alpha);
  }
  if (threadIdx.x % 32U == 0U) work.y[token * work.w2.n + column] = bf16_encode(y);
}

}  // namespace

void enqueue_direct_fc1(const DirectFc1Work& work, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(work.intermediate / kBlock), static_cast<unsigned>(work.pairs));
  direct_fc1<<<grid, kFc1Warps * 32, 0, stream>>>(work);
  check_launch("direct micro FC1");
}

void enqueue_direct_fc2(const DirectFc2Work& work, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>((work.w2.n + kFc2Warps - 1) / kFc2Warps), static_cast<unsigned>(work.tokens));
  direct_fc2<<<grid, kFc2Warps * 32, 0, stream>>>(work);
  check_launch("direct micro FC2");
}

}  // namespace moe::cuda::b12x
