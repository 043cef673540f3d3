#include "cuda/kernels/quantize_rows.h"

#include "cuda/kernels/launch_check.h"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda {
namespace {

constexpr int kThreads = 128;

/// One thread a block of 16: 32 bytes in, 9 out.
__global__ void __launch_bounds__(kThreads) quantize_x(QuantizeX work) {
  const int blocks = work.hidden / kBlock;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t row = index / blocks;
  if (row >= static_cast<int64_t>(work.tokens) * work.top_k_rows) return;
  const int block = static_cast<int>(index - row * blocks);
  const int64_t token = row / work.top_k_rows;
  const int64_t pair = work.top_k_rows == 1 ? token * work.top_k : row;
  float scale = work.global_scales[work.topk_ids[pair]];
  if (work.inverts_scale && scale != 0.0F) scale = __fdiv_rn(1.0F, scale);
  const auto* from = reinterpret_cast<const uint4*>(work.x + token * work.hidden + block * kBlock);
  float x[kBlock];
  unpack_bf16(from[0], from[1], x);
  const Fp4Block out = quantize_block(work.quantizer, x, scale);
  *reinterpret_cast<uint2*>(work.codes + row * (work.hidden / 2) + block * 8) = out.codes;
  work.scales[row * blocks + block] = out.sf;
}

}  // namespace

void enqueue_quantize_x(const QuantizeX& work, cudaStream_t stream) {
  const int64_t blocks = static_cast<int64_t>(work.tokens) * work.top_k_rows * (work.hidden / kBlock);
  quantize_x<<<static_cast<unsigned>((blocks + kThreads - 1) / kThreads), kThreads, 0, stream>>>(work);
  check_launch("quantization of x");
}

}  // namespace moe::cuda
