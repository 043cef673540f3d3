// One projection of one expert applied to rows of activations, quantized (exact integers) or not (fp64).
#pragma once

#include "reference/exact_dot.h"
#include "reference/layer.h"

namespace moe::reference {

/// Activation rows of one GEMM: either quantized or plain fp64 [rows, K].
struct Activations {
  const ExactRows* quantized = nullptr;
  const double* plain = nullptr;
};

/// out[r * stride + n] = multiplier * <row r, weight row n> for n in [0, N), weight rows spread over the pool.
void apply(const Projection& projection, int64_t n, int64_t k, const Activations& rows, int64_t count, double* out, int64_t stride);

}  // namespace moe::reference
