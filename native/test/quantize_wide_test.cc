// The wide quantizers: the fp32 ones without the error of their reciprocals, and nothing else.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/quantize/quantize.h"

using namespace moe;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Pair {
  const char* name;
  Quantizer wide, fast;
  bool large;
};
constexpr Pair kPairs[] = {{"cutlass", Quantizer::kCutlassWide, Quantizer::kCutlassFast, true}, {"b12x", Quantizer::kB12xWide, Quantizer::kB12xFast, false}};

bool equal(const Fp4Block& a, const Fp4Block& b) { return a.sf == b.sf && a.codes == b.codes; }

}  // namespace

TEST_CASE("the same as the fp32 form away from ties") {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const Pair& pair : kPairs) {
    int differing = 0;
    for (int round = 0; round < 20000; ++round) {
      float x[16];
      for (float& value : x) value = normal(random);
      const float scale = pair.large ? 1.0F / 0.00173F : 0.00173F;
      if (!equal(quantize_block(pair.wide, x, scale), quantize_block(pair.fast, x, scale))) ++differing;
    }
    CAPTURE(std::string(pair.name));
    CHECK_LE(differing, 4);  // 320 000 fp32 values, each within 1e-7 of a tie with a chance of about 1e-6
  }
}

TEST_CASE("edge blocks keep each family's payload") {
  const auto block = [](float first, float rest) {
    std::array<float, 16> x;
    x.fill(rest);
    x[0] = first;
    return x;
  };
  for (const auto& x : {block(0, 0), block(-0.0F, 0), block(1e-7F, 0), block(kNaN, 1), block(kNaN, kNaN), block(kInf, 1), block(-kInf, 0), block(1e9F, 1), block(3, -1e-20F)}) {
    for (const Pair& pair : kPairs) {
      for (const float scale : {1.0F, 0.0F, 1024.0F, 1.0F / 1024}) {
        if (pair.large && scale == 0.0F) continue;  // 1/a is never 0
        CAPTURE(std::string(pair.name));
        CAPTURE(x[0]);
        CAPTURE(x[1]);
        CAPTURE(scale);
        CHECK(equal(quantize_block(pair.wide, x.data(), scale), quantize_block(pair.fast, x.data(), scale)));
      }
    }
  }
}

TEST_CASE("an exact tie goes to the even code under scales whose reciprocal fp32 cannot hold") {
  // CUTLASS: G = 560, SF 320, so 1.0 is 1.75 steps. b12x: gs = 7/4096, SF 320, so 245/256 is 1.75 steps.
  struct Tie {
    Quantizer wide;
    float scale, peak, value;
  };
  for (const Tie& tie : {Tie{Quantizer::kCutlassWide, 560.0F, 3.4296875F, 1.0F}, Tie{Quantizer::kB12xWide, 7.0F / 4096, 3.28125F, 245.0F / 256}}) {
    float x[16] = {tie.peak};
    for (int i = 1; i < 16; ++i) x[i] = i % 2 == 0 ? tie.value : -tie.value;
    const Fp4Block out = quantize_block(tie.wide, x, tie.scale);
    CHECK_EQ(e4m3_decode(out.sf), 320.0F);
    for (size_t i = 1; i < 16; ++i) CHECK_EQ(std::fabs(e2m1_decode(out.codes[i])), 2.0F);
  }
}
