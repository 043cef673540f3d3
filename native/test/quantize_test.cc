// The block quantizers on the cases that tell them apart (domain facts 1.3, 1.5, 5.4).
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/quantize/projection.h"
#include "core/quantize/quantize.h"
#include "core/random/normal.h"

using namespace moe;

namespace {

using Block = std::array<float, 16>;
constexpr std::array kAll = {Quantizer::kCutlassFast, Quantizer::kCutlassExact, Quantizer::kB12xExact, Quantizer::kB12xFast, Quantizer::kDirectMicro};

bool large_form(Quantizer q) { return q == Quantizer::kCutlassFast || q == Quantizer::kCutlassExact || q == Quantizer::kDirectMicro; }
/// The same meaning for every quantizer: input scale s (small form).
Fp4Block with_scale(Quantizer q, const Block& x, float s) { return quantize_block(q, x.data(), large_form(q) ? 1.0F / s : s); }

Block filled(float value) {
  Block x{};
  x.fill(value);
  return x;
}

}  // namespace

TEST_CASE("a zero block: SF 0, all magnitudes 0; cutlass and direct micro keep the sign of -0, b12x writes plain zeros") {
  Block x = filled(0.0F);
  x[3] = -0.0F;
  for (const Quantizer q : kAll) {
    const Fp4Block out = with_scale(q, x, 1.0F);
    CHECK_EQ(out.sf, 0);
    for (int i = 0; i < 16; ++i) CHECK_EQ(out.codes[i] & 7, 0);
    const bool b12x = q == Quantizer::kB12xExact || q == Quantizer::kB12xFast;
    CHECK_EQ(out.codes[3], b12x ? 0 : 8);
  }
}

TEST_CASE("an underflow block: payload +-6 and NaN -> 6 for cutlass fast, zeros for b12x, all decode to 0") {
  Block x = filled(0.0F);
  x[0] = 1e-4F;   // amax / 6 = 1.7e-5, far below half of 2^-9
  x[1] = -1e-4F;
  for (const Quantizer q : kAll) CHECK_EQ(with_scale(q, x, 1.0F).sf, 0);
  const Fp4Block fast = with_scale(Quantizer::kCutlassFast, x, 1.0F);
  CHECK_EQ(fast.codes[0], 0x7);
  CHECK_EQ(fast.codes[1], 0xF);
  for (int i = 2; i < 16; ++i) CHECK_EQ(fast.codes[i], 0x7);  // 0 * inf = NaN -> +6
  const Fp4Block exact = with_scale(Quantizer::kCutlassExact, x, 1.0F);
  CHECK_EQ(exact.codes[0], 0x7);  // 1e-4 * FLT_MAX
  CHECK_EQ(exact.codes[1], 0xF);
  for (int i = 2; i < 16; ++i) CHECK_EQ(exact.codes[i], 0x0);  // 0 * FLT_MAX
  for (const Quantizer q : {Quantizer::kB12xExact, Quantizer::kB12xFast}) {
    for (const uint8_t code : with_scale(q, x, 1.0F).codes) CHECK_EQ(code, 0);
  }
  const Fp4Block micro = with_scale(Quantizer::kDirectMicro, x, 1.0F);
  CHECK_EQ(micro.codes[0], 0x7);  // 1e-4 / 1e-30
  CHECK_EQ(micro.codes[2], 0x0);
}

TEST_CASE("NaN: left out of amax, becomes +6; a block of NaN only") {
  Block x = filled(1.0F);
  x[5] = NAN;
  x[6] = -NAN;
  for (const Quantizer q : kAll) {
    const Fp4Block out = with_scale(q, x, 1.0F);
    CHECK_EQ(out.sf, e4m3_encode(1.0F / 6.0F));
    CHECK_EQ(out.codes[5], 7);
    CHECK_EQ(out.codes[6], 7);
    CHECK_EQ(out.codes[0], 7);  // 1 / (0.171875) = 5.8
  }
  const Block nan = filled(NAN);
  CHECK_EQ(with_scale(Quantizer::kCutlassFast, nan, 1.0F).sf, 0x7F);
  CHECK_EQ(with_scale(Quantizer::kCutlassExact, nan, 1.0F).sf, 0x7F);
  CHECK_EQ(with_scale(Quantizer::kB12xExact, nan, 1.0F).sf, 0x7E);
  CHECK_EQ(with_scale(Quantizer::kB12xFast, nan, 1.0F).sf, 0x7E);
  CHECK_EQ(with_scale(Quantizer::kDirectMicro, nan, 1.0F).sf, 0x00);
  for (const Quantizer q : kAll) {
    for (const uint8_t code : with_scale(q, nan, 1.0F).codes) CHECK_EQ(code, 7);
  }
}

TEST_CASE("infinity: SF 0x7E, the element +-6") {
  Block x = filled(1.0F);
  x[0] = INFINITY;
  x[1] = -INFINITY;
  for (const Quantizer q : kAll) {
    const Fp4Block out = with_scale(q, x, 1.0F);
    CHECK_EQ(out.sf, 0x7E);
    CHECK_EQ(out.codes[0], 0x7);
    CHECK_EQ(out.codes[1], 0xF);
    CHECK_EQ(out.codes[2], 0x0);  // 1 / 448
  }
}

TEST_CASE("saturation: amax above 2688 * s clamps SF to 448") {
  for (const Quantizer q : kAll) {
    const Fp4Block out = with_scale(q, filled(5000.0F), 1.0F);
    CHECK_EQ(out.sf, 0x7E);
    CHECK_EQ(out.codes[0], 7);
  }
}

TEST_CASE("global scale 0: b12x writes zeros") {
  const Block x = filled(3.0F);
  const Fp4Block exact = quantize_block(Quantizer::kB12xExact, x.data(), 0.0F);
  CHECK_EQ(exact.sf, 0x7E);  // 3 / 0 = inf, then min with 448
  CHECK_EQ(exact.codes[0], 0);
  const Fp4Block fast = quantize_block(Quantizer::kB12xFast, x.data(), 0.0F);
  CHECK_EQ(fast.sf, 0);
  CHECK_EQ(fast.codes[0], 0);
}

TEST_CASE("the exact values and ties with scale 1 agree in all quantizers") {
  // amax 6 gives SF 1 = 0x38, so codes are the values themselves.
  const Block x = {0.25F, 0.75F, 1.25F, 1.75F, 2.5F, 3.5F, 5.0F, -0.25F, -0.75F, -1.25F, -1.75F, -2.5F, -3.5F, -5.0F, 6.0F, -6.0F};
  const std::array<uint8_t, 16> codes = {0, 2, 2, 4, 4, 6, 6, 8, 10, 10, 12, 12, 14, 14, 7, 15};
  for (const Quantizer q : kAll) {
    const Fp4Block out = with_scale(q, x, 1.0F);
    CHECK_EQ(out.sf, 0x38);
    CHECK(out.codes == codes);
  }
}

TEST_CASE("with a power-of-two scale every quantizer gives the fp64 answer outside near ties") {
  int compared = 0;
  for (uint64_t block = 0; block < 4000; ++block) {
    Block x{};
    fill_normal(x.data(), block * 16, 16, 77, 1.0);
    std::array<double, 16> wide{};
    bool near_tie = false;
    for (size_t i = 0; i < 16; ++i) wide[i] = x[i];
    const float s = 0x1p-8F;
    const Fp4Block ideal = quantize_block_ideal(wide.data(), s);
    double peak = 0;
    for (const double value : wide) peak = std::fmax(peak, std::fabs(value));
    const double step = static_cast<double>(e4m3_decode(ideal.sf)) * s;
    for (const double value : wide) {
      for (const double cut : {0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0}) near_tie = near_tie || std::fabs(std::fabs(value) / step / cut - 1) < 1e-5;
    }
    const double raw = peak / 6 / s;
    near_tie = near_tie || e4m3_encode(raw * (1 + 1e-5)) != e4m3_encode(raw * (1 - 1e-5));
    if (near_tie) continue;
    ++compared;
    for (const Quantizer q : kAll) {
      const Fp4Block out = with_scale(q, x, s);
      CHECK_EQ(out.sf, ideal.sf);
      CHECK(out.codes == ideal.codes);
    }
  }
  CHECK_GT(compared, 3900);
}

TEST_CASE("direct micro multiplies: fed with the small form that the other b12x kernels take, it is off by its square (H3)") {
  const Block x = filled(1.0F);
  const float a = 0x1p-6F;
  CHECK_EQ(quantize_block(Quantizer::kDirectMicro, x.data(), 1.0F / a).sf, quantize_block(Quantizer::kB12xExact, x.data(), a).sf);
  const float right = e4m3_decode(quantize_block(Quantizer::kB12xExact, x.data(), a).sf);
  const float wrong = e4m3_decode(quantize_block(Quantizer::kDirectMicro, x.data(), a).sf);
  CHECK_EQ(wrong / right, doctest::Approx(a * a).epsilon(0.1));
}

TEST_CASE("fp64 ideal: NaN shows, -0 and small negatives keep only the sign of x < 0") {
  std::array<double, 16> x{};
  x.fill(1.0);
  x[4] = NAN;
  CHECK_EQ(quantize_block_ideal(x.data(), 1.0).sf, 0x7F);
  x[4] = -0.0;
  x[5] = -1e-9;
  const Fp4Block out = quantize_block_ideal(x.data(), 1.0);
  CHECK_EQ(out.codes[4], 0);
  CHECK_EQ(out.codes[5], 8);
  x[4] = INFINITY;
  CHECK_EQ(quantize_block_ideal(x.data(), 1.0).sf, 0x7E);
}

TEST_CASE("rows pack the even element into the low nibble, SF in order") {
  std::vector<float> x(32, 0.0F);
  x[0] = 1.0F;
  x[1] = 6.0F;
  x[16] = 12.0F;
  uint8_t packed[16];
  uint8_t sf[2];
  quantize_row(Quantizer::kB12xExact, x.data(), 32, 1.0F, packed, sf);
  CHECK_EQ(packed[0], 0x72);
  CHECK_EQ(packed[8], 0x07);
  CHECK_EQ(sf[0], 0x38);
  CHECK_EQ(sf[1], 0x40);
}

TEST_CASE("random projections: same bits for the same seed, s2 = amax / 2688, power-of-two scales stay normal when baked") {
  const Projection made = make_projection(64, 128, 9, 0.02, ScaleChoice::kRealistic, {});
  const Projection again = make_projection(64, 128, 9, 0.02, ScaleChoice::kRealistic, {});
  const Projection other = make_projection(64, 128, 10, 0.02, ScaleChoice::kRealistic, {});
  CHECK(made.packed == again.packed);
  CHECK(made.scale == again.scale);
  CHECK(made.packed != other.packed);
  double peak = 0;
  double squares = 0;
  for (uint64_t i = 0; i < 64 * 128; ++i) {
    const double w = static_cast<float>(0.02 * normal_at(i, 9));
    peak = std::fmax(peak, std::fabs(w));
    const double back = static_cast<double>(e2m1_decode(fp4_at(made.packed.data(), static_cast<int64_t>(i)))) * e4m3_decode(made.scale[i / 16]) * made.s2;
    squares += (back - w) * (back - w) / (64 * 128);
  }
  CHECK_EQ(made.s2, static_cast<float>(peak) / 2688.0F);
  CHECK_LT(std::sqrt(squares), 0.02 * 0.12);  // NVFP4 of a normal: relative error about 0.095
  for (const double sigma : {0.001, 0.05, 0.3, 20.0}) {
    const Projection pow2 = make_projection(32, 64, 1, sigma, ScaleChoice::kPowerOfTwo, {});
    int exponent = 0;
    CHECK_EQ(std::frexp(pow2.s2, &exponent), 0.5F);
    for (const uint8_t byte : pow2.scale) {
      const float scale = e4m3_decode(byte);
      CHECK_GE(scale, kE4m3MinNormal);
      CHECK_GE(scale * pow2.s2, kE4m3MinNormal);
      CHECK_EQ(e4m3_decode(e4m3_encode(scale * pow2.s2)), scale * pow2.s2);
    }
  }
  CHECK_THROWS(make_projection(32, 40, 1, 0.1, ScaleChoice::kRealistic, {}));
  CHECK_THROWS(make_projection(32, 64, 1, 1e5, ScaleChoice::kPowerOfTwo, {}));
}
