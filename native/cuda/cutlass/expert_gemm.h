// The GEMMs over sorted rows on Hopper, on CUTLASS's wgmma, TMA and barrier wrappers: bf16 MMA over operands that are code * SF
// exactly. Weights stay NVFP4 in memory and are upcast on their way into shared memory. CUTLASS's own pointer-array grouped
// GEMM (example 57) over weights upcast beforehand took 445 + 253 us for FC1 + FC2 of a Qwen3-30B-A3B layer at T = 4096 on an
// H100, and 360 + 200 us are the 1.2 GB of bf16 weights and the rows alone.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/cutlass/weight_image.h"

namespace moe::cuda::cutlass_path {

/// Where element (row, column) of `rows` token rows lies: panels of 64 columns one after the other, padded with zeros, so that
/// neighbouring rows of a panel are one piece of memory.
MOESCOPE_BOTH_SIDES constexpr int64_t panel_index(int64_t row, int column, int64_t rows) {
  return (static_cast<int64_t>(column / kPanel) * rows + row) * kPanel + column % kPanel;
}

/// What both GEMMs need: multiplier[e] * rows[r, :] * weights[e]^T for the sorted rows r of each expert e, fp32 sums.
struct ExpertGemm {
  const uint8_t* weights;   ///< [E] images (weight_image.h)
  const uint16_t* rows;     ///< bf16 [P, k] in panels, sorted by expert
  const int32_t* offsets;   ///< [E + 1]: the sorted rows of an expert
  const float* multiplier;  ///< [E]
  int experts, pairs, n, k;
};

/// FC2: out[r, :] = bf16(product), bf16 [P, n].
struct StoredRows {
  uint16_t* out;
  int n;
};

/// FC1: bf16(product) -> activation in fp32, rounded to bf16, quantized with kCutlassFast -> code * SF as bf16 rows in panels.
struct ActivatedRows {
  uint16_t* out;           ///< bf16 [P, I] in panels
  const float* quantizer;  ///< [E], LARGE
  int intermediate, routed_pairs;
  float swiglu_alpha, swiglu_limit;
  const int32_t* pairs;    ///< [P] pair of each sorted row: taps are in pair order
  float *fc1, *act;        ///< taps or nullptr
  uint8_t *act_q, *act_sf;
};

/// The most experts that a launch takes: their tile counts are in shared memory.
constexpr int kMaxExperts = 512;

/// Enqueue with the tiles that fit the rows an expert has on average; capturable.
/// @throws Error `internal` when the driver or the launch refuses.
void enqueue_expert_gemm(const ExpertGemm& work, const StoredRows& to, int sm_count, cudaStream_t stream);
void enqueue_expert_gemm_silu(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream);
void enqueue_expert_gemm_gelu_tanh(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream);
void enqueue_expert_gemm_swigluoai(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream);
void enqueue_expert_gemm_relu2(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream);

/// The one of the four for a moe_activation.
void enqueue_expert_gemm_activated(int activation, const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream);

/// True when the rows of an expert fit tiles of 64 tokens rather than 144: the mean and one standard deviation of a uniform draw.
bool has_few_rows(const ExpertGemm& work);

}  // namespace moe::cuda::cutlass_path
