// FC1's activation on the device: core/activation/activation.h in fp32, in the same order. Multiplications and additions
// are spelled out, so that no compilation fuses what another does not: tapped and untapped kernels agree bit for bit.
#pragma once

#include "cuda/kernels/formats.cuh"
#include "provider.h"

namespace moe::cuda {

struct Activation {
  int kind = MOE_SILU;   ///< moe_activation
  float alpha = 1.702F;  ///< swigluoai only
  float limit = 0.0F;    ///< swigluoai only; 0 = no clamp
};

__device__ __forceinline__ float sigmoid(float x) { return __fdiv_rn(1.0F, __fadd_rn(1.0F, expf(-x))); }

/// act(gate) * up; `kind` is not relu2.
__device__ __forceinline__ float gated_activation(const Activation& spec, float gate, float up) {
  if (spec.kind == MOE_SWIGLUOAI) {
    if (spec.limit > 0.0F) {
      // Comparisons leave NaN alone, fminf would not.
      if (gate > spec.limit) gate = spec.limit;
      if (up > spec.limit) up = spec.limit;
      if (up < -spec.limit) up = -spec.limit;
    }
    return __fmul_rn(__fmul_rn(gate, sigmoid(__fmul_rn(spec.alpha, gate))), __fadd_rn(up, 1.0F));
  }
  if (spec.kind == MOE_GELU_TANH) {
    const float cube = __fmul_rn(__fmul_rn(__fmul_rn(0.044715F, gate), gate), gate);
    const float z = __fmul_rn(1.5957691216057308F, __fadd_rn(gate, cube));  // 2 * sqrt(2 / pi)
    return __fmul_rn(__fmul_rn(gate, sigmoid(z)), up);
  }
  return __fmul_rn(__fmul_rn(gate, sigmoid(gate)), up);
}

__device__ __forceinline__ float relu2(float x) {
  const float positive = x > 0.0F ? x : x == x ? 0.0F : x;
  return __fmul_rn(positive, positive);
}

}  // namespace moe::cuda
