#include "core/quantize/quantize.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/parallel/clones.h"

namespace moe {
namespace {

constexpr float kSixth = 1.0F / 6.0F;

/// rcp.approx.ftz.f32 (see the header): subnormals count as zero, 1/0 = inf, 1/inf = 0.
float rcp(float x) {
  if (std::fabs(x) < FLT_MIN) x = std::copysign(0.0F, x);
  const float y = 1.0F / x;
  return std::fabs(y) < FLT_MIN ? std::copysign(0.0F, y) : y;
}

/// Largest |x|, dropping NaN operands; NaN only when all are NaN (max.f32 / hmax2).
float amax_dropping_nan(const float* x) {
  // As bits, because magnitudes are ordered as integers are and vectors have a maximum of those.
  constexpr int32_t kInfinity = 0x7F800000;
  int32_t peak = -1;
  for (int i = 0; i < kBlock; ++i) {
    const int32_t magnitude = std::bit_cast<int32_t>(x[i]) & 0x7FFFFFFF;
    peak = std::max(peak, magnitude <= kInfinity ? magnitude : -1);
  }
  return peak < 0 ? std::fabs(x[0]) : std::bit_cast<float>(peak);
}

/// e2m1_encode of 16 values at once. Compared as bits, as magnitudes are ordered as integers are, and in lanes as wide as
/// Real until the end: so it becomes vectors.
template <class Real, class Lane>
[[gnu::always_inline]] inline void encode_lanes(const Real* x, Fp4Block& out) {
  constexpr auto bits = [](Real value) { return std::bit_cast<Lane>(value); };
  constexpr Lane kMagnitude = std::numeric_limits<Lane>::max();
  Lane codes[kBlock];
  for (int i = 0; i < kBlock; ++i) {
    const Lane word = std::bit_cast<Lane>(x[i]);
    const Lane a = word & kMagnitude;
    // Each comparison steps up by one code; strict where the tie belongs to the lower (even) code.
    const Lane code = (a > bits(Real(0.25))) + (a >= bits(Real(0.75))) + (a > bits(Real(1.25))) + (a >= bits(Real(1.75))) + (a > bits(Real(2.5))) +
                      (a >= bits(Real(3.5))) + (a > bits(Real(5)));
    codes[i] = a > bits(std::numeric_limits<Real>::infinity()) ? Lane{7} : code | (word < 0 ? Lane{8} : Lane{0});
  }
  for (int i = 0; i < kBlock; ++i) out.codes[static_cast<size_t>(i)] = static_cast<uint8_t>(codes[i]);
}

/// min.f32: a NaN operand is dropped.
float min_448(float x) { return x < kE4m3Max ? x : kE4m3Max; }

[[gnu::always_inline]] inline void encode_scaled(const float* x, float multiplier, Fp4Block& out) {
  float scaled[kBlock];
  for (int i = 0; i < kBlock; ++i) scaled[i] = x[i] * multiplier;
  encode_lanes<float, int32_t>(scaled, out);
}

MOE_CLONES Fp4Block cutlass(const float* x, float g, bool fast) {
  Fp4Block out{};
  const float peak = amax_dropping_nan(x);
  const float sf = fast ? g * (peak * rcp(6.0F)) : (peak != 0 ? peak * (g * kSixth) : 0.0F);
  out.sf = e4m3_encode(sf);
  const float quantized = e4m3_decode(out.sf);
  float multiplier = 0;
  if (peak != 0) multiplier = fast ? rcp(quantized * rcp(g)) : std::fmin(1.0F / (quantized * (1.0F / g)), FLT_MAX);
  encode_scaled(x, multiplier, out);
  return out;
}

MOE_CLONES Fp4Block b12x(const float* x, float gs, bool fast) {
  Fp4Block out{};
  if (fast && gs == 0) return out;
  const float peak = amax_dropping_nan(x);
  const float inverse = rcp(gs);
  out.sf = e4m3_encode(min_448(fast ? inverse * (peak * rcp(6.0F)) : peak / (6.0F * gs)));
  const float quantized = e4m3_decode(out.sf);
  if (quantized == 0 || gs == 0) return out;
  encode_scaled(x, fast ? rcp(quantized) * inverse : 1.0F / (quantized * gs), out);
  return out;
}

// The wide forms divide once: the product or the divisor is exact in fp64, so an exact tie stays one.
MOE_CLONES Fp4Block cutlass_wide(const float* x, double g) {
  Fp4Block out{};
  const double peak = amax_dropping_nan(x);
  out.sf = e4m3_encode(g * peak / 6.0);
  const double quantized = peak != 0 ? static_cast<double>(e4m3_decode(out.sf)) : 1.0;
  double scaled[kBlock];
  for (int i = 0; i < kBlock; ++i) scaled[i] = static_cast<double>(x[i]) * g / quantized;
  encode_lanes<double, int64_t>(scaled, out);
  return out;
}

MOE_CLONES Fp4Block b12x_wide(const float* x, double gs) {
  Fp4Block out{};
  if (gs == 0) return out;
  const double scaled = static_cast<double>(amax_dropping_nan(x)) / 6.0 / gs;
  out.sf = e4m3_encode(scaled < 448.0 ? scaled : 448.0);
  const double step = static_cast<double>(e4m3_decode(out.sf)) * gs;
  if (step == 0) return out;
  double quotients[kBlock];
  for (int i = 0; i < kBlock; ++i) quotients[i] = static_cast<double>(x[i]) / step;
  encode_lanes<double, int64_t>(quotients, out);
  return out;
}

MOE_CLONES Fp4Block direct_micro(const float* x, float gs) {
  Fp4Block out{};
  float peak = 0;
  for (int i = 0; i < kBlock; ++i) {
    const float a = std::fabs(x[i]);
    if (a > peak) peak = a;
  }
  float sf = static_cast<float>(static_cast<double>(peak) * static_cast<double>(gs) / 6.0);
  if (sf > kE4m3Max) sf = kE4m3Max;
  out.sf = e4m3_encode(sf);
  float effective = gs != 0 ? e4m3_decode(out.sf) / gs : 0.0F;
  if (effective < 1e-30F) effective = 1e-30F;
  encode_scaled(x, 1.0F / effective, out);
  return out;
}

}  // namespace

Fp4Block quantize_block(Quantizer quantizer, const float* x, float global_scale) {
  switch (quantizer) {
    case Quantizer::kCutlassFast: return cutlass(x, global_scale, true);
    case Quantizer::kCutlassExact: return cutlass(x, global_scale, false);
    case Quantizer::kB12xExact: return b12x(x, global_scale, false);
    case Quantizer::kB12xFast: return b12x(x, global_scale, true);
    case Quantizer::kCutlassWide: return cutlass_wide(x, global_scale);
    case Quantizer::kB12xWide: return b12x_wide(x, global_scale);
    case Quantizer::kDirectMicro: break;
  }
  return direct_micro(x, global_scale);
}

Fp4Block quantize_block_ideal(const double* x, double scale) {
  Fp4Block out{};
  double peak = 0;
  bool nan = false;
  for (int i = 0; i < kBlock; ++i) {
    nan = nan || std::isnan(x[i]);
    peak = std::fmax(peak, std::fabs(x[i]));
  }
  if (nan) {
    out.codes.fill(7);
    out.sf = kE4m3NaN;
    return out;
  }
  out.sf = e4m3_encode(std::fmin(peak / 6.0 / scale, 448.0));
  const double step = static_cast<double>(e4m3_decode(out.sf)) * scale;
  for (int i = 0; i < kBlock; ++i) {
    const uint8_t magnitude = step != 0 ? e2m1_encode(std::fabs(x[i]) / step) : uint8_t{0};
    out.codes[i] = static_cast<uint8_t>(magnitude | (x[i] < 0 ? 8U : 0U));
  }
  return out;
}

void pack_codes(const std::array<uint8_t, 16>& codes, uint8_t* packed) {
  for (int i = 0; i < 8; ++i) packed[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4U);
}

void quantize_row(Quantizer quantizer, const float* x, int64_t k, float global_scale, uint8_t* packed, uint8_t* sf) {
  for (int64_t block = 0; block < k / kBlock; ++block) {
    const Fp4Block out = quantize_block(quantizer, x + block * kBlock, global_scale);
    pack_codes(out.codes, packed + block * 8);
    sf[block] = out.sf;
  }
}

void quantize_row_ideal(const double* x, int64_t k, double scale, uint8_t* packed, uint8_t* sf) {
  for (int64_t block = 0; block < k / kBlock; ++block) {
    const Fp4Block out = quantize_block_ideal(x + block * kBlock, scale);
    pack_codes(out.codes, packed + block * 8);
    sf[block] = out.sf;
  }
}

}  // namespace moe
