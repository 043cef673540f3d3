// What surrounds the grouped GEMMs: rows in, activation between, taps out. One launch each, all memory-bound.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/cutlass/grouped_gemm.h"
#include "cuda/kernels/expert_rows.h"
#include "cuda/launch.h"

namespace moe::cuda::cutlass_path {

/// Where quantized rows go, in sorted (expert) order, as the next GEMM's operand. Exactly one form is set.
struct OperandRows {
  /// SM90: code * SF as bf16 [P, K] in panels (expert_gemm.h), which is exact: E2M1 has 2 significant bits, E4M3 has 4,
  /// bf16 has 8.
  uint16_t* upcast = nullptr;
  /// SM120: codes [P, K/2] and, an expert after the other, scale regions in 128x4 order that start at multiples of 128 rows:
  /// expert e's at row 128 * tile_offsets[e].
  uint8_t* codes = nullptr;
  uint8_t* scales = nullptr;
};

/// x [T, H] -> quantized rows of the routed pairs (domain 7.1: FlashInfer expandInputRows), quantizer kCutlassFast.
struct ExpandRows {
  const uint16_t* x;
  const int32_t* topk_ids;  ///< [T, k]
  const float* quantizer;   ///< [E], LARGE
  bool shared_quantizer;    ///< all experts have the same: quantized once a token, taps are [T, ...]
  int tokens, top_k, hidden;
  DeviceExpertRows rows;
  OperandRows out;
  uint8_t *x_q, *x_sf;  ///< taps or nullptr
};
void enqueue_expand_rows(const ExpandRows& work, cudaStream_t stream);

/// SM120's: fc1 bf16 [P, N1] in sorted order -> activation in fp32, rounded to bf16, quantized with kCutlassFast.
struct ActivateRows {
  const uint16_t* fc1;
  const int32_t* topk_ids;
  const float* quantizer;  ///< [E], LARGE
  int pairs, intermediate;
  int activation;  ///< moe_activation; relu2 exactly when not gated
  float swiglu_alpha, swiglu_limit;
  DeviceExpertRows rows;
  OperandRows out;
  float *fc1_tap, *act;      ///< taps or nullptr
  uint8_t *act_q, *act_sf;
};
void enqueue_activate_rows(const ActivateRows& work, cudaStream_t stream);

/// Tap fc2: bf16 [P, H] in sorted order -> fp32 [P, H] in pair order.
void enqueue_fc2_tap(const uint16_t* fc2, const int32_t* row_of_pair, int64_t pairs, int hidden, float* tap, cudaStream_t stream);

/// NVFP4 [E, N, K/2] with 128x4 scale planes -> [E] images (weight_image.h), gated FC1's in their own order of rows. Padding is not written.
void enqueue_weight_images(const DeviceOperand& weights, bool gated, int experts, uint8_t* images, cudaStream_t stream);

/// One SM120 GEMM's operands as the arrays kernel needs them; leading dimensions are the widths.
struct GroupSource {
  DeviceOperand weights;
  OperandRows rows;  ///< codes and scales
  uint16_t* out;     ///< bf16 [P, n]
  GroupArrays arrays;
};
/// Fills the arrays of both GEMMs from the sorted rows' offsets.
void enqueue_group_arrays(const GroupSource& fc1, const GroupSource& fc2, int experts, const DeviceExpertRows& rows, cudaStream_t stream);

}  // namespace moe::cuda::cutlass_path
