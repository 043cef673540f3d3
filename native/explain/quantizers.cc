#include "explain/quantizers.h"

#include <cfloat>
#include <cmath>
#include <limits>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"

namespace moe::explain {
namespace {

/// rcp.approx.ftz.f32 one unit in the last place below the nearest fp32, towards zero.
float low_rcp(float x) {
  if (std::fabs(x) < FLT_MIN) x = std::copysign(0.0F, x);
  const float y = 1.0F / x;
  if (std::isinf(y) || std::isnan(y)) return y;
  const float low = std::nextafter(y, 0.0F);
  return std::fabs(low) < FLT_MIN ? std::copysign(0.0F, y) : low;
}

float largest(const float* x) {
  float peak = 0;
  for (int i = 0; i < kBlock; ++i) peak = std::fmax(peak, std::fabs(x[i]));  // fmax drops NaN, as hmax2 and max.f32 do
  return peak;
}

Fp4Block scaled(const float* x, uint8_t sf, float multiplier) {
  Fp4Block out{};
  out.sf = sf;
  for (int i = 0; i < kBlock; ++i) out.codes[i] = e2m1_encode(x[i] * multiplier);
  return out;
}

Fp4Block low_cutlass(const float* x, float g) {
  const float peak = largest(x);
  const uint8_t sf = e4m3_encode(g * (peak * low_rcp(6.0F)));
  return scaled(x, sf, peak != 0 ? low_rcp(e4m3_decode(sf) * low_rcp(g)) : 0.0F);
}

Fp4Block low_b12x(const float* x, float gs) {
  if (gs == 0) return {};
  const float inverse = low_rcp(gs);
  const uint8_t sf = e4m3_encode(std::fmin(inverse * (largest(x) * low_rcp(6.0F)), kE4m3Max));
  const float quantized = e4m3_decode(sf);
  if (quantized == 0) {
    Fp4Block out{};
    out.sf = sf;
    return out;
  }
  return scaled(x, sf, low_rcp(quantized) * inverse);
}

}  // namespace

Fp4Block quantize_as(Family family, Precision precision, const float* x, float global_scale) {
  if (family == Family::kDirectMicro) return quantize_block(Quantizer::kDirectMicro, x, global_scale);
  const bool cutlass = family == Family::kCutlass;
  switch (precision) {
    case Precision::kWide: return quantize_block(cutlass ? Quantizer::kCutlassWide : Quantizer::kB12xWide, x, global_scale);
    case Precision::kFp32: return quantize_block(cutlass ? Quantizer::kCutlassFast : Quantizer::kB12xFast, x, global_scale);
    case Precision::kIeee: return quantize_block(cutlass ? Quantizer::kCutlassExact : Quantizer::kB12xExact, x, global_scale);
    case Precision::kLow: break;
  }
  return cutlass ? low_cutlass(x, global_scale) : low_b12x(x, global_scale);
}

}  // namespace moe::explain
