// The GEMM over sorted rows on Hopper, on CUTLASS's wgmma, TMA and barrier wrappers. CUTLASS's own pointer-array grouped GEMM
// (example 57) over the same operands took 445 + 253 us for FC1 + FC2 of a Qwen3-30B-A3B layer at T = 4096 on an H100 and
// read few tokens' weights at 1.4 TB/s: rows 4 KB apart in pieces of 128 bytes. Here the weights lie as the kernel reads
// them, 16 KB at a time, and no tensor map changes between experts.
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

/// Elements of an expert's weights as a WeightImage: [blocks of 128 n][panels of 64 k][128][64], padded with zeros.
MOESCOPE_BOTH_SIDES constexpr int64_t image_elements(int n, int k) {
  return static_cast<int64_t>(weight_blocks(n)) * panels(k) * kWeightBlock * kPanel;
}

/// Where weight (n, k) of an expert lies in its image; `count` is the width K. Rows of a block are permuted so that the four
/// results a thread of wgmma holds for a token (rows g and g + 8 of 16 a warp, in two 64-row MMAs) are neighbours in n; the
/// 16-byte pieces of a row are swizzled as wgmma's 128-byte mode reads them.
MOESCOPE_BOTH_SIDES constexpr int64_t image_index(int n, int k, int count) {
  const int in_block = n % kWeightBlock;
  const int row = in_block % 4 / 2 * 64 + in_block / 32 * 16 + in_block % 2 * 8 + in_block % 32 / 4;
  const int piece = (k % kPanel / 8) ^ (row % 8);
  return ((static_cast<int64_t>(n / kWeightBlock) * panels(count) + k / kPanel) * kWeightBlock + row) * kPanel + piece * 8 + k % 8;
}

/// Where element (row, column) of `rows` token rows lies: panels of 64 columns one after the other, padded with zeros, so that
/// neighbouring rows of a panel are one piece of memory.
MOESCOPE_BOTH_SIDES constexpr int64_t panel_index(int64_t row, int column, int64_t rows) {
  return (static_cast<int64_t>(column / kPanel) * rows + row) * kPanel + column % kPanel;
}

/// out[r, :] = bf16(multiplier[e] * rows[r, :] * weights[e]^T) for the rows r of each expert e; fp32 sums.
struct ExpertGemm {
  const uint16_t* weights;  ///< bf16 [E] images
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
void enqueue_expert_gemm_144(const ExpertGemm& work, int sm_count, cudaStream_t stream);
void enqueue_expert_gemm_192(const ExpertGemm& work, int sm_count, cudaStream_t stream);

/// With the tile that wastes least for `pairs` rows spread evenly.
void enqueue_expert_gemm(const ExpertGemm& work, int sm_count, cudaStream_t stream);

}  // namespace moe::cuda::cutlass_path
