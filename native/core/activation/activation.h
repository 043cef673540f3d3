// FC1's activation. Sources: FlashInfer moe_activation.py (b12x), cutlass_fused_moe_kernels.cuh (CUTLASS).
//   silu       g * sigmoid(g) * u
//   gelu_tanh  0.5 g (1 + tanh(z)) u = g * sigmoid(2z) * u,  z = sqrt(2/pi) (g + 0.044715 g^3)
//   swigluoai  g := min(g, limit), u := clamp(u, +-limit), g * sigmoid(alpha g) * (u + 1)
//   relu2      max(g, 0)^2, not gated
#pragma once

#include <algorithm>
#include <cmath>

#include "provider.h"

namespace moe {

struct ActivationSpec {
  moe_activation kind = MOE_SILU;
  double alpha = 1.702;  ///< swigluoai only
  double limit = 0;      ///< swigluoai only; 0 = no clamp
};

template <class Real>
Real sigmoid(Real x) {
  return Real(1) / (Real(1) + std::exp(-x));
}

/// act(gate) * up in Real arithmetic, in the order b12x computes it; CUTLASS's tanh form of GELU differs by rounding
/// only. `kind` must be gated.
template <class Real>
Real gated_activation(const ActivationSpec& spec, Real gate, Real up) {
  switch (spec.kind) {
    case MOE_SWIGLUOAI: {
      if (spec.limit > 0) {
        const Real limit = static_cast<Real>(spec.limit);
        // NaN stays NaN: std::min would keep its first operand.
        if (gate > limit) gate = limit;
        if (up > limit) up = limit;
        if (up < -limit) up = -limit;
      }
      return gate * sigmoid(static_cast<Real>(spec.alpha) * gate) * (up + Real(1));
    }
    case MOE_GELU_TANH:
      return gate * sigmoid(Real(2.0 * 0.7978845608028654) * (gate + Real(0.044715) * gate * gate * gate)) * up;
    default: return gate * sigmoid(gate) * up;
  }
}

template <class Real>
Real relu2(Real x) {
  if (std::isnan(x)) return x;
  const Real positive = std::max(x, Real(0));
  return positive * positive;
}

}  // namespace moe
