// bf16 rows to NVFP4 rows.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/kernels/quantizer.h"

namespace moe::cuda {

/// x [T, H] bf16 -> codes [R, H/2] and scales [R, H/16] (linear). With `top_k_rows` 1 a row is a token and its global
/// scale is that of the token's first slot (all experts share it); with top_k_rows = k a row is a routed pair and the scale
/// is its expert's.
struct QuantizeX {
  BlockQuantizer quantizer = BlockQuantizer::kB12xFast;
  const uint16_t* x = nullptr;
  const int32_t* topk_ids = nullptr;     ///< [T, k]
  const float* global_scales = nullptr;  ///< [E]
  bool inverts_scale = false;            ///< hand the quantizer 1 / scale (where it is not 0): direct micro as a divider
  int tokens = 0, top_k = 0, top_k_rows = 1, hidden = 0;
  uint8_t* codes = nullptr;
  uint8_t* scales = nullptr;
};

/// @throws Error `internal` when the launch is refused
void enqueue_quantize_x(const QuantizeX& work, cudaStream_t stream);

}  // namespace moe::cuda
