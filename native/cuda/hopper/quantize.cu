// FC1's input: bf16 rows to NVFP4 and at once back to fp16 rows of code * SF, which is exact (a product has 6 bits).
#include "cuda/hopper/launch_grouped.cuh"
#include "cuda/hopper/fragments.cuh"
#include "cuda/hopper/work.h"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda::hopper {
namespace {

constexpr int kThreads = 128;

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

/// Code times scale of two codes (byte `at` of the word), in fp16.
__device__ __forceinline__ uint32_t scaled_pair(uint32_t codes, int at, __half2 scale) {
  const uint32_t two = codes >> (8 * at);
  const uint32_t bits = (two & 8U) << 12U | (two & 7U) << 9U | (two & 0x80U) << 24U | (two & 0x70U) << 21U;
  const __half2 value = __hmul2(__hmul2(*reinterpret_cast<const __half2*>(&bits), __half2half2(__ushort_as_half(0x7400))), scale);
  return *reinterpret_cast<const uint32_t*>(&value);
}

/// Quantizes block `block` of `row` into `to` (row_offset() applied) and into the taps.
__device__ __forceinline__ void quantize_x_block(const QuantizeWork& work, int row, int block, uint8_t* to) {
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
  if (work.x_q != nullptr) *reinterpret_cast<uint2*>(work.x_q + index * 8) = codes;
  if (work.x_sf != nullptr) work.x_sf[index] = quantized.sf;
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

/// Grid (blocks of a row / 128, rows); a thread has one 16-block.
__global__ void __launch_bounds__(kThreads) quantize_kernel(const QuantizeWork work) {
  grid_launch_dependents();
  grid_wait();
  const int row = static_cast<int>(blockIdx.y);
  const int block = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  const int width = static_cast<int>(gridDim.x) * kThreads;
  clear_for_fc2(work, row * width + block, work.rows * width);
  if (block < work.chunks * 4) quantize_x_block(work, row, block, work.out + static_cast<size_t>(row) * work.chunks * kRowChunkBytes + row_offset(block * 16));
}

}  // namespace

void enqueue_quantize(const Pass& pass, cudaStream_t stream) {
  QuantizeWork work{};
  work.x = pass.x;
  work.topk_ids = pass.topk_ids;
  work.global_scales = pass.fc1_quantizer;
  work.quantizer = pass.quantizer;
  work.inverts_scale = pass.inverts_scale;
  work.shared_scale = pass.shared_x;
  work.rows = pass.shared_x ? pass.tokens : pass.pairs();
  work.pairs_per_row = pass.shared_x ? pass.top_k : 1;
  work.rows_per_token = pass.shared_x ? 1 : pass.top_k;
  work.top_k = pass.top_k;
  work.hidden = pass.hidden;
  work.chunks = pass.w13.chunks;
  work.out = pass.x_rows;
  work.x_q = pass.x_q;
  work.x_sf = pass.x_sf;
  work.act_rows = pass.act_rows;
  work.pairs = pass.pairs();
  work.intermediate = pass.intermediate;
  work.act_chunks = pass.w2.chunks;
  work.arrivals = pass.arrivals;
  work.arrival_count = pass.tokens * pass.w2.units;
  // Never early: the pass before this one, or the caller's copies, must be complete.
  launch(quantize_kernel, work, dim3(static_cast<unsigned>((work.chunks * 4 + kThreads - 1) / kThreads), static_cast<unsigned>(work.rows)), kThreads, 0, false, stream, "b12x-upcast quantize");
}

}  // namespace moe::cuda::hopper
