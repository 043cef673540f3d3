// The small kernels: weights put in order once, arrays of the grouped GEMMs, the fc2 tap.
#include "cuda/cutlass/expert_gemm.h"
#include "cuda/cutlass/quantized_chunk.cuh"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::cutlass_path {
namespace {

constexpr int kThreads = 256;

unsigned blocks_for(int64_t threads) { return static_cast<unsigned>((threads + kThreads - 1) / kThreads); }

/// Codes of a block whose scale is `sf`, as its packed scale stands for them: without a sign of their own scale, 0 for a zero.
__device__ __forceinline__ uint32_t signed_codes(uint32_t codes, uint8_t sf) {
  if ((sf & 0x7FU) == 0) return 0;
  return (sf & 0x80U) != 0 ? codes ^ 0x88888888U : codes;
}

/// A thread a block of 16 weights.
__global__ void __launch_bounds__(kThreads) weight_images(DeviceOperand weights, bool gated, int64_t blocks, uint8_t* images) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= blocks) return;
  const int row_blocks = weights.k / kBlock;
  const int64_t row = index / row_blocks;
  const int block = static_cast<int>(index - row * row_blocks);
  const int64_t expert = row / weights.n;
  const int n = static_cast<int>(row - expert * weights.n);
  const uint2 codes = *reinterpret_cast<const uint2*>(weights.packed + index * (kBlock / 2));
  const uint8_t sf = weights.scales[expert * static_cast<int64_t>(weights.scale_plane_bytes) + scale_offset_128x4(n, block, (row_blocks + 3) / 4)];
  const ImageRow at = image_row(n, weights.n, gated);
  uint8_t* panel = images + expert * image_bytes(weights.n, weights.k, gated) + (static_cast<int64_t>(at.block) * panels(weights.k) + block / 4) * kPanelBytes;
  *reinterpret_cast<uint2*>(panel + block % 4 / 2 * (kPanelCodes / 2) + at.row * 16 + block % 2 * 8) =
      make_uint2(pack_image_codes(signed_codes(codes.x, sf)), pack_image_codes(signed_codes(codes.y, sf)));
  panel[kPanelCodes + at.row * 4 + block % 4] = pack_image_scale(sf);
}

__device__ void fill_group(const GroupSource& source, const DeviceExpertRows& sorted, int expert) {
  const int64_t first = sorted.offsets[expert];
  const int rows = sorted.offsets[expert + 1] - static_cast<int>(first);
  const int n = source.weights.n;
  const int k = source.weights.k;
  const GroupArrays& arrays = source.arrays;
  arrays.shape[expert] = {rows, n, k};
  arrays.a[expert] = source.rows.codes + first * (k / 2);
  arrays.b[expert] = source.weights.packed + static_cast<int64_t>(expert) * n * (k / 2);
  arrays.d[expert] = source.out + first * n;
  arrays.stride_a[expert] = k;
  arrays.stride_b[expert] = k;
  arrays.stride_d[expert] = n;
  const int64_t tile_bytes = 512LL * ((k + 63) / 64);  // of 128 rows
  arrays.sfa[expert] = source.rows.scales + sorted.tile_offsets[expert] * tile_bytes;
  arrays.sfb[expert] = source.weights.scales + static_cast<int64_t>(expert) * static_cast<int64_t>(source.weights.scale_plane_bytes);
}

__global__ void group_arrays(GroupSource fc1, GroupSource fc2, int experts, DeviceExpertRows sorted) {
  const int expert = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (expert >= experts) return;
  fill_group(fc1, sorted, expert);
  fill_group(fc2, sorted, expert);
}

__global__ void __launch_bounds__(kThreads) fc2_tap(const uint16_t* fc2, const int32_t* row_of_pair, int64_t elements, int hidden, float* tap) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= elements) return;
  const int64_t pair = index / hidden;
  tap[index] = bf16_decode(fc2[static_cast<int64_t>(row_of_pair[pair]) * hidden + (index - pair * hidden)]);
}

}  // namespace

void enqueue_weight_images(const DeviceOperand& weights, bool gated, int experts, uint8_t* images, cudaStream_t stream) {
  const int64_t blocks = static_cast<int64_t>(experts) * weights.n * (weights.k / kBlock);
  weight_images<<<blocks_for(blocks), kThreads, 0, stream>>>(weights, gated, blocks, images);
  check_launch("order of the weights");
}

void enqueue_group_arrays(const GroupSource& fc1, const GroupSource& fc2, int experts, const DeviceExpertRows& rows, cudaStream_t stream) {
  constexpr int kGroupThreads = 128;
  group_arrays<<<(experts + kGroupThreads - 1) / kGroupThreads, kGroupThreads, 0, stream>>>(fc1, fc2, experts, rows);
  check_launch("arrays of the grouped GEMMs");
}

void enqueue_fc2_tap(const uint16_t* fc2, const int32_t* row_of_pair, int64_t pairs, int hidden, float* tap, cudaStream_t stream) {
  const int64_t elements = pairs * hidden;
  fc2_tap<<<blocks_for(elements), kThreads, 0, stream>>>(fc2, row_of_pair, elements, hidden, tap);
  check_launch("fc2 tap");
}

}  // namespace moe::cuda::cutlass_path
