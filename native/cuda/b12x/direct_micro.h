// Direct micro: a few routed pairs on CUDA cores, no MMA, one bf16 store a column (domain 7.3).
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/launch.h"

namespace moe::cuda::b12x {

/// FC1, activation, bf16, quantization. The real kernel dequantizes to fp16 and multiplies there; codes times scales are
/// exact in fp16 and block dots are exact integers here, summed over blocks in fp32: lane by lane, then by butterfly.
struct DirectFc1Work {
  DeviceOperand w13;
  const uint8_t* x_q = nullptr;
  const uint8_t* x_sf = nullptr;
  const int32_t* topk_ids = nullptr;
  int pairs = 0;
  int pairs_per_x_row = 1;
  int intermediate = 0;
  const float* multiplier = nullptr;
  const float* quantizer_scale = nullptr;
  bool inverts_scale = false;  ///< QuantizeX
  int activation = 0;
  float swiglu_alpha = 0, swiglu_limit = 0;
  uint8_t* act_q = nullptr;
  uint8_t* act_sf = nullptr;
  float* fc1 = nullptr;
  float* act = nullptr;
};

/// y = bf16(fp32 sum over slots in slot order of acc * (alpha * weight)).
struct DirectFc2Work {
  DeviceOperand w2;
  const uint8_t* act_q = nullptr;
  const uint8_t* act_sf = nullptr;
  const int32_t* topk_ids = nullptr;
  const float* topk_weights = nullptr;
  int tokens = 0, top_k = 0;
  const float* multiplier = nullptr;
  uint16_t* y = nullptr;
  float* fc2 = nullptr;
};

/// @throws Error `internal` when a launch is refused
void enqueue_direct_fc1(const DirectFc1Work& work, cudaStream_t stream);
void enqueue_direct_fc2(const DirectFc2Work& work, cudaStream_t stream);

}  // namespace moe::cuda::b12x
