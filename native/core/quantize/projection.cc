#include "core/quantize/projection.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error/error.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/quantize/quantize.h"
#include "core/random/normal.h"

namespace moe {
namespace {

constexpr int64_t kRowsAStep = 32;
constexpr float kFormatMax = 2688.0F;  // 6 * 448

float choose_s2(float amax, ScaleChoice choice) {
  if (choice == ScaleChoice::kRealistic) return amax / kFormatMax;
  if (amax > kFormatMax) {
    throw Error(code::kUsage, "power-of-two scales hold weights up to 2688, found " + std::to_string(amax), {{"subject", std::string("sigma")}, {"remedy", std::string("give a smaller sigma")}});
  }
  int exponent = 0;
  const float fraction = std::frexp(amax / kFormatMax, &exponent);  // amax / 2688 = fraction * 2^exponent, 1/2 <= fraction < 1
  if (fraction == 0.5F) --exponent;
  return std::ldexp(1.0F, std::clamp(exponent, -14, 0));
}

/// kB12xExact with a smallest block scale.
void quantize_with_floor(const float* x, float s2, float floor, uint8_t* packed, uint8_t* sf) {
  float peak = 0;
  for (int i = 0; i < kBlock; ++i) peak = std::max(peak, std::fabs(x[i]));
  const float scale = std::max(peak / (6.0F * s2), floor);
  *sf = e4m3_encode(std::min(scale, kE4m3Max));
  const float multiplier = 1.0F / (e4m3_decode(*sf) * s2);
  std::array<uint8_t, 16> codes{};
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = e2m1_encode(x[i] * multiplier);
  pack_codes(codes, packed);
}

}  // namespace

Projection make_projection(int64_t rows, int64_t columns, uint64_t seed, double sigma, ScaleChoice choice, const Task& task) {
  if (rows < 1 || columns < kBlock || columns % kBlock != 0) {
    throw Error(code::kUnsupportedShape, "a projection needs 1 row or more and a positive multiple of 16 columns, found [" + std::to_string(rows) + ", " + std::to_string(columns) + "]");
  }
  if (!std::isfinite(sigma) || sigma <= 0) throw Error(code::kUsage, "sigma must be finite and positive, found " + std::to_string(sigma), {{"subject", std::string("sigma")}});
  std::vector<float> weights(static_cast<size_t>(rows * columns));
  const int64_t steps = (rows + kRowsAStep - 1) / kRowsAStep;
  std::vector<float> peaks(static_cast<size_t>(steps), 0.0F);
  const auto span_of = [&](int64_t step) {
    const int64_t first = step * kRowsAStep * columns;
    return std::pair{first, std::min(rows * columns, first + kRowsAStep * columns)};
  };
  parallel_for(steps, task, [&](int64_t step) {
    const auto [first, last] = span_of(step);
    fill_normal(weights.data() + first, static_cast<uint64_t>(first), static_cast<uint64_t>(last - first), seed, sigma);
    for (int64_t i = first; i < last; ++i) peaks[static_cast<size_t>(step)] = std::max(peaks[static_cast<size_t>(step)], std::fabs(weights[static_cast<size_t>(i)]));
  });
  Projection out;
  out.s2 = choose_s2(*std::max_element(peaks.begin(), peaks.end()), choice);
  // Normal both as stored and after baking; 0 leaves ModelOpt's rule alone.
  const float floor = choice == ScaleChoice::kPowerOfTwo ? std::max(kE4m3MinNormal / out.s2, kE4m3MinNormal) : 0.0F;
  out.packed.resize(weights.size() / 2);
  out.scale.resize(weights.size() / 16);
  parallel_for(steps, task, [&](int64_t step) {
    const auto [first, last] = span_of(step);
    for (int64_t i = first; i < last; i += kBlock) {
      uint8_t* packed = out.packed.data() + i / 2;
      uint8_t* scale = out.scale.data() + i / 16;
      if (floor > 0) quantize_with_floor(weights.data() + i, out.s2, floor, packed, scale);
      else quantize_row(Quantizer::kB12xExact, weights.data() + i, kBlock, out.s2, packed, scale);
    }
  });
  return out;
}

}  // namespace moe
