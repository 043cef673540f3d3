// The GEMM over sorted rows on Hopper, on CUTLASS's wgmma, TMA and barrier wrappers: bf16 MMA over operands that are code * SF
// exactly. Weights stay NVFP4 in memory and are upcast on their way into shared memory. CUTLASS's own pointer-array grouped
// GEMM (example 57) over weights upcast beforehand took 445 + 253 us for FC1 + FC2 of a Qwen3-30B-A3B layer at T = 4096 on an
// H100, and 360 + 200 us are the 1.2 GB of bf16 weights and the rows alone.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#define MOESCOPE_BOTH_SIDES __host__ __device__
#else
#define MOESCOPE_BOTH_SIDES
#endif

namespace moe::cuda::cutlass_path {

constexpr int kWeightBlock = 128;  ///< rows of weights that a warp group takes
constexpr int kPanel = 64;         ///< columns of K in a stage: 128 bytes, one swizzle row

MOESCOPE_BOTH_SIDES constexpr int weight_blocks(int n) { return (n + kWeightBlock - 1) / kWeightBlock; }
MOESCOPE_BOTH_SIDES constexpr int panels(int k) { return (k + kPanel - 1) / kPanel; }

/// Bytes of a block's panel: codes [2 halves of 32 k][128 rows][16], scales [128 rows][4].
constexpr int kPanelCodes = kWeightBlock * kPanel / 2;
constexpr int kPanelBytes = kPanelCodes + kWeightBlock * kPanel / 16;

/// Bytes of an expert's weights as an image: [blocks of 128 n][panels of 64 k][kPanelBytes], padded with zeros.
MOESCOPE_BOTH_SIDES constexpr int64_t image_bytes(int n, int k) { return static_cast<int64_t>(weight_blocks(n)) * panels(k) * kPanelBytes; }

/// Where weight row n lies in its block of 128: so that the four results a thread of wgmma holds for a token (rows g and
/// g + 8 of 16 a warp, in two 64-row MMAs) are neighbours in n.
MOESCOPE_BOTH_SIDES constexpr int image_row(int n) {
  const int in_block = n % kWeightBlock;
  return in_block % 4 / 2 * 64 + in_block / 32 * 16 + in_block % 2 * 8 + in_block % 32 / 4;
}

/// First byte of the panel of (n, block of 16 k).
MOESCOPE_BOTH_SIDES constexpr int64_t image_panel(int n, int block, int k) {
  return (static_cast<int64_t>(n / kWeightBlock) * panels(k) + block / 4) * kPanelBytes;
}

/// Where element (row, column) of `rows` token rows lies: panels of 64 columns one after the other, padded with zeros, so that
/// neighbouring rows of a panel are one piece of memory.
MOESCOPE_BOTH_SIDES constexpr int64_t panel_index(int64_t row, int column, int64_t rows) {
  return (static_cast<int64_t>(column / kPanel) * rows + row) * kPanel + column % kPanel;
}

/// out[r, :] = bf16(multiplier[e] * rows[r, :] * weights[e]^T) for the rows r of each expert e; fp32 sums.
struct ExpertGemm {
  const uint8_t* weights;   ///< [E] images
  const uint16_t* rows;     ///< bf16 [P, k] in panels, sorted by expert
  uint16_t* out;            ///< bf16 [P, n]
  const int32_t* offsets;   ///< [E + 1]: the rows of an expert
  const float* multiplier;  ///< [E]
  int experts, pairs, n, k;
};

/// The most experts that a launch takes: their tile counts are in shared memory.
constexpr int kMaxExperts = 512;

/// Enqueues with a tile of so many tokens; capturable. @throws Error `internal` when the driver or the launch refuses.
void enqueue_expert_gemm_32(const ExpertGemm& work, int sm_count, cudaStream_t stream);
void enqueue_expert_gemm_64(const ExpertGemm& work, int sm_count, cudaStream_t stream);
void enqueue_expert_gemm_96(const ExpertGemm& work, int sm_count, cudaStream_t stream);
void enqueue_expert_gemm_144(const ExpertGemm& work, int sm_count, cudaStream_t stream);

/// With the tile that wastes least for `pairs` rows spread evenly.
void enqueue_expert_gemm(const ExpertGemm& work, int sm_count, cudaStream_t stream);

}  // namespace moe::cuda::cutlass_path
