#include "cuda/kernels/finalize.h"

#include "cuda/kernels/formats.cuh"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kColumns = 8;  ///< of a thread: 16 bytes

__device__ __forceinline__ void unpack(uint4 bits, float (&values)[kColumns]) {
  const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    values[2 * i] = __uint_as_float(words[i] << 16U);
    values[2 * i + 1] = __uint_as_float(words[i] & 0xFFFF0000U);
  }
}

__device__ __forceinline__ void store(uint16_t* to, const float (&values)[kColumns]) {
  *reinterpret_cast<uint4*>(to) = make_uint4(bf16x2_encode(values[0], values[1]), bf16x2_encode(values[2], values[3]),
                                             bf16x2_encode(values[4], values[5]), bf16x2_encode(values[6], values[7]));
}

__global__ void __launch_bounds__(kThreads) weighted_finalize(WeightedFinalize work) {
  const int64_t token = blockIdx.x;
  const int column = (blockIdx.y * kThreads + threadIdx.x) * kColumns;
  if (column >= work.hidden) return;
  float sum[kColumns] = {};
  for (int slot = 0; slot < work.top_k; ++slot) {
    const int64_t pair = token * work.top_k + slot;
    const int64_t row = work.row_of_pair != nullptr ? work.row_of_pair[pair] : pair;
    const float weight = work.topk_weights[pair];
    float values[kColumns];
    unpack(*reinterpret_cast<const uint4*>(work.rows + row * work.hidden + column), values);
#pragma unroll
    for (int i = 0; i < kColumns; ++i) sum[i] = __fadd_rn(sum[i], __fmul_rn(weight, values[i]));
  }
  store(work.y + token * work.hidden + column, sum);
}

__global__ void __launch_bounds__(kThreads) added_finalize(AddedFinalize work) {
  const int64_t token = blockIdx.x;
  const int column = (blockIdx.y * kThreads + threadIdx.x) * kColumns;
  if (column >= work.hidden) return;
  const int64_t contributions = static_cast<int64_t>(work.top_k) * work.slices;
  const uint16_t* from = work.contributions + token * contributions * work.hidden + column;
  float sum[kColumns] = {};
  for (int64_t c = 0; c < contributions; ++c, from += work.hidden) {
    float values[kColumns];
    unpack(*reinterpret_cast<const uint4*>(from), values);
#pragma unroll
    // The exact sum of two bf16 rounded to fp32 and then to bf16 is what one rounding gives: 24 > 2 * 8 + 2 bits.
    for (int i = 0; i < kColumns; ++i) sum[i] = bf16_round(__fadd_rn(sum[i], values[i]));
  }
  store(work.y + token * work.hidden + column, sum);
}

dim3 grid(int tokens, int hidden) { return dim3(static_cast<unsigned>(tokens), static_cast<unsigned>((hidden + kThreads * kColumns - 1) / (kThreads * kColumns))); }

}  // namespace

void enqueue_weighted_finalize(const WeightedFinalize& work, cudaStream_t stream) {
  weighted_finalize<<<grid(work.tokens, work.hidden), kThreads, 0, stream>>>(work);
  check_launch("finalize");
}

void enqueue_added_finalize(const AddedFinalize& work, cudaStream_t stream) {
  added_finalize<<<grid(work.tokens, work.hidden), kThreads, 0, stream>>>(work);
  check_launch("finalize");
}

}  // namespace moe::cuda
