// What FC1's epilogues share: the quantizer chosen at run time, and a quantized value as fp16.
#pragma once

#include "cuda/hopper/work.h"
#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda::hopper {

/// FC1's outputs and what makes them.
struct Fc1Output {
  Activation activation;
  BlockQuantizer quantizer;
  bool inverts_scale;
  int intermediate, act_chunks;
  const float *multiplier, *act_quantizer;  ///< [E]
  uint8_t* act_rows;
  float *fc1_tap, *act_tap;
  uint8_t *act_q, *act_sf;

  __device__ __forceinline__ float global_scale(int expert) const {
    const float scale = act_quantizer[expert];
    return inverts_scale && scale != 0.0F ? __fdiv_rn(1.0F, scale) : scale;
  }
};

inline Fc1Output fc1_output(const Pass& pass) {
  return {{pass.activation, pass.swiglu_alpha, pass.swiglu_limit}, pass.quantizer, pass.inverts_scale, pass.intermediate, pass.w2.chunks, pass.fc1_multiplier, pass.fc2_quantizer, pass.act_rows, pass.fc1_tap, pass.act_tap, pass.act_q, pass.act_sf};
}

__device__ __forceinline__ BlockScale block_scale(BlockQuantizer quantizer, float peak, float global_scale) {
  switch (quantizer) {
    case BlockQuantizer::kB12xFast: return choose_block_scale<BlockQuantizer::kB12xFast>(peak, global_scale);
    case BlockQuantizer::kB12xExact: return choose_block_scale<BlockQuantizer::kB12xExact>(peak, global_scale);
    default: return choose_block_scale<BlockQuantizer::kDirectMicro>(peak, global_scale);
  }
}

__device__ __forceinline__ uint32_t encode_with(const BlockScale& scale, float value) { return scale.empty ? 0U : e2m1_encode_software(__fmul_rn(value, scale.multiplier)); }

/// code * SF: both factors and the product are exact in fp16.
__device__ __forceinline__ __half scaled_code(uint32_t code, uint8_t sf) {
  const __half magnitude = __hmul(__ushort_as_half(static_cast<unsigned short>((code & 8U) << 12U | (code & 7U) << 9U)), __ushort_as_half(0x7400));
  return __hmul(magnitude, __half(__nv_cvt_fp8_to_halfraw(sf, __NV_E4M3)));
}

}  // namespace moe::cuda::hopper
