// One 16-block of x: bf16 to NVFP4 and at once back to fp16 code * SF, which is exact (a product has 6 bits).
#pragma once

#include "cuda/hopper/fragments.cuh"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda::hopper {

struct QuantizeWork {
  const uint16_t* x;
  const int32_t* topk_ids;
  const float* global_scales;
  BlockQuantizer quantizer;
  bool inverts_scale, shared_scale;
  int rows, pairs_per_row, rows_per_token, top_k, hidden, chunks;
  uint8_t *out, *x_q, *x_sf;
  // FC2's input rows, whose columns beyond I are made zero before FC1: weights are zero there, but 0 * NaN is not.
  uint8_t* act_rows;
  int pairs, intermediate, act_chunks;
  int32_t* arrivals;
  int arrival_count;
};

struct Pass;
QuantizeWork quantize_work(const Pass& pass);

/// Code times scale of two codes (byte `at` of the word), in fp16.
__device__ __forceinline__ uint32_t scaled_pair(uint32_t codes, int at, __half2 scale) {
  const uint32_t two = codes >> (8 * at);
  const uint32_t bits = (two & 8U) << 12U | (two & 7U) << 9U | (two & 0x80U) << 24U | (two & 0x70U) << 21U;
  const __half2 value = __hmul2(__hmul2(*reinterpret_cast<const __half2*>(&bits), __half2half2(__ushort_as_half(0x7400))), scale);
  return *reinterpret_cast<const uint32_t*>(&value);
}

/// Quantizes block `block` of `row` into `to` (row_offset() applied) and, if `taps`, into the taps.
__device__ __forceinline__ void quantize_x_block(const QuantizeWork& work, int row, int block, uint8_t* to, bool taps) {
  if (block * 16 >= work.hidden) {
    *reinterpret_cast<uint4*>(to) = make_uint4(0, 0, 0, 0);
    *reinterpret_cast<uint4*>(to + 64) = make_uint4(0, 0, 0, 0);
    return;
  }
  const int token = row / work.rows_per_token;
  float scale = work.global_scales[work.shared_scale ? 0 : work.topk_ids[row]];
  if (work.inverts_scale && scale != 0.0F) scale = __fdiv_rn(1.0F, scale);
  const uint4* from = reinterpret_cast<const uint4*>(work.x + static_cast<size_t>(token) * work.hidden + block * 16);
  float values[kBlock];
  unpack_bf16(from[0], from[1], values);
  const Fp4Block quantized = quantize_block(work.quantizer, values, scale);
  const __half2 sf = __half2half2(__half(__nv_cvt_fp8_to_halfraw(quantized.sf, __NV_E4M3)));
  const uint2 codes = quantized.codes;
  *reinterpret_cast<uint4*>(to) = make_uint4(scaled_pair(codes.x, 0, sf), scaled_pair(codes.x, 1, sf), scaled_pair(codes.x, 2, sf), scaled_pair(codes.x, 3, sf));
  *reinterpret_cast<uint4*>(to + 64) = make_uint4(scaled_pair(codes.y, 0, sf), scaled_pair(codes.y, 1, sf), scaled_pair(codes.y, 2, sf), scaled_pair(codes.y, 3, sf));
  const size_t index = static_cast<size_t>(row) * (work.hidden / 16) + block;
  if (taps && work.x_q != nullptr) *reinterpret_cast<uint2*>(work.x_q + index * 8) = codes;
  if (taps && work.x_sf != nullptr) work.x_sf[index] = quantized.sf;
}

/// What a run needs zero before FC1 ends, by `count` threads of which this is `index`: FC2's rows beyond I, its counters.
__device__ __forceinline__ void clear_for_fc2(const QuantizeWork& work, int index, int count) {
  if (work.arrivals != nullptr) {
    for (int i = index; i < work.arrival_count; i += count) work.arrivals[i] = 0;
  }
  const int first = work.intermediate / 16;
  const int pad = work.act_chunks * 4 - first;
  for (int i = index; i < pad * work.pairs; i += count) {
    uint8_t* to = work.act_rows + static_cast<size_t>(i / pad) * work.act_chunks * kRowChunkBytes + row_offset((first + i % pad) * 16);
    *reinterpret_cast<uint4*>(to) = make_uint4(0, 0, 0, 0);
    *reinterpret_cast<uint4*>(to + 64) = make_uint4(0, 0, 0, 0);
  }
}

}  // namespace moe::cuda::hopper
