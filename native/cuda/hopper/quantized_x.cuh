// One 16-block of FC1's input: bf16 to NVFP4 and at once back to fp16 code * SF, which is exact (a product has 6 bits).
#pragma once

#include <cuda_fp16.h>

#include "cuda/hopper/work.h"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda::hopper {

/// Where x comes from and what its blocks are quantized with.
struct XSource {
  const uint16_t* x;
  const int32_t* topk_ids;
  const float* global_scales;
  BlockQuantizer quantizer;
  bool inverts_scale, shared_scale;
  int rows_per_token, hidden;
  uint8_t *x_q, *x_sf;
};

inline XSource x_source(const Pass& pass) {
  return {pass.x, pass.topk_ids, pass.fc1_quantizer, pass.quantizer, pass.inverts_scale, pass.shared_x, pass.shared_x ? 1 : pass.top_k, pass.hidden, pass.x_q, pass.x_sf};
}

/// Code times scale of two codes (byte `at` of the word), in fp16.
__device__ __forceinline__ uint32_t scaled_pair(uint32_t codes, int at, __half2 scale) {
  const uint32_t two = codes >> (8 * at);
  const uint32_t bits = (two & 8U) << 12U | (two & 7U) << 9U | (two & 0x80U) << 24U | (two & 0x70U) << 21U;
  const __half2 value = __hmul2(__hmul2(*reinterpret_cast<const __half2*>(&bits), __half2half2(__ushort_as_half(0x7400))), scale);
  return *reinterpret_cast<const uint32_t*>(&value);
}

/// Block `block` of `row` (a token, or a pair where each has its own scale), loaded and not yet quantized.
struct XBlock {
  uint4 low, high;
  float scale;
  bool inside;
};

__device__ __forceinline__ XBlock load_x_block(const XSource& from, int row, int block) {
  XBlock out{};
  out.inside = block * 16 < from.hidden;
  if (!out.inside) return out;
  const uint4* values = reinterpret_cast<const uint4*>(from.x + static_cast<size_t>(row / from.rows_per_token) * from.hidden + block * 16);
  out.low = values[0];
  out.high = values[1];
  out.scale = from.global_scales[from.shared_scale ? 0 : from.topk_ids[row]];
  return out;
}

/// Its eight fp16 pairs, zero beyond H; writes the taps.
__device__ __forceinline__ void quantize_x_block(const XSource& from, const XBlock& x, int row, int block, uint32_t (&words)[8]) {
  if (!x.inside) {
#pragma unroll
    for (uint32_t& word : words) word = 0;
    return;
  }
  const float scale = from.inverts_scale && x.scale != 0.0F ? __fdiv_rn(1.0F, x.scale) : x.scale;
  float values[kBlock];
  unpack_bf16(x.low, x.high, values);
  const Fp4Block quantized = quantize_block(from.quantizer, values, scale);
  const __half2 sf = __half2half2(__half(__nv_cvt_fp8_to_halfraw(quantized.sf, __NV_E4M3)));
#pragma unroll
  for (int i = 0; i < 8; ++i) words[i] = scaled_pair(i < 4 ? quantized.codes.x : quantized.codes.y, i % 4, sf);
  const size_t index = static_cast<size_t>(row) * (from.hidden / 16) + block;
  if (from.x_q != nullptr) *reinterpret_cast<uint2*>(from.x_q + index * 8) = quantized.codes;
  if (from.x_sf != nullptr) from.x_sf[index] = quantized.sf;
}

}  // namespace moe::cuda::hopper
