// The quantizers of core/quantize by family and precision, and fast math whose reciprocals err.
#pragma once

#include "core/quantize/quantize.h"
#include "explain/spec.h"

namespace moe::explain {

/// Quantizes x[0..16). `global_scale` in the form that the family takes (core/quantize): small for b12x, large for CUTLASS and
/// direct micro. Precision::kLow is the fp32 form of the family with every `rcp.approx` one ulp below the nearest fp32, which
/// its documented error (1 ulp) allows; direct micro has one precision only.
Fp4Block quantize_as(Family family, Precision precision, const float* x, float global_scale);

}  // namespace moe::explain
