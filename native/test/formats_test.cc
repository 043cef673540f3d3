// E2M1, E4M3, bf16 and half against independent definitions, exhaustively.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "core/formats/bf16.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"

using namespace moe;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// E4M3 by its definition: bias 7, three fraction bits.
double e4m3_by_definition(int code) {
  const int exponent = code >> 3 & 15;
  const int fraction = code & 7;
  if ((code & 0x7F) == 0x7F) return kNaN;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

/// Nearest of a sorted list of magnitudes (index = code), ties to the even code, saturating at the last.
int nearest_code(const std::vector<double>& magnitudes, double a) {
  if (a >= magnitudes.back()) return static_cast<int>(magnitudes.size()) - 1;
  int best = 0;
  for (size_t i = 1; i < magnitudes.size(); ++i) {
    const double here = std::fabs(magnitudes[i] - a);
    const double there = std::fabs(magnitudes[static_cast<size_t>(best)] - a);
    if (here < there || (here == there && i % 2 == 0)) best = static_cast<int>(i);
  }
  return best;
}

std::vector<double> e4m3_magnitudes() {
  std::vector<double> out;
  for (int code = 0; code < 0x7F; ++code) out.push_back(e4m3_by_definition(code));
  return out;
}

const std::vector<double> kE2m1Magnitudes = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

/// Checks one value in both precisions and both signs.
void check_e4m3(const std::vector<double>& magnitudes, double a) {
  const int expected = nearest_code(magnitudes, a);
  CHECK_EQ(e4m3_encode(a), expected);
  CHECK_EQ(e4m3_encode(-a), expected | 0x80);
  const float narrow = static_cast<float>(a);
  const int expected_narrow = nearest_code(magnitudes, narrow);
  CHECK_EQ(e4m3_encode(narrow), expected_narrow);
  CHECK_EQ(e4m3_encode(-narrow), expected_narrow | 0x80);
}

}  // namespace

TEST_CASE("E4M3: all 256 codes decode by definition and encode back") {
  for (int code = 0; code < 256; ++code) {
    const float value = e4m3_decode(static_cast<uint8_t>(code));
    if ((code & 0x7F) == 0x7F) {
      CHECK(std::isnan(value));
      CHECK(e4m3_is_nan(static_cast<uint8_t>(code)));
      continue;
    }
    CHECK_EQ(value, e4m3_by_definition(code));
    CHECK_EQ(std::signbit(value), code >= 128);
    CHECK_EQ(e4m3_encode(value), code);
    CHECK_EQ(e4m3_encode(static_cast<double>(value)), code);
    CHECK_EQ(e4m3_is_subnormal(static_cast<uint8_t>(code)), value != 0 && std::fabs(value) < std::ldexp(1.0, -6));
  }
}

TEST_CASE("E4M3: every midpoint goes to the even code, its neighbours to the nearer one") {
  const std::vector<double> magnitudes = e4m3_magnitudes();
  for (size_t code = 0; code + 1 < magnitudes.size(); ++code) {
    const double middle = (magnitudes[code] + magnitudes[code + 1]) / 2;
    const size_t even = code % 2 == 0 ? code : code + 1;
    CHECK_EQ(e4m3_encode(middle), even);
    CHECK_EQ(e4m3_encode(static_cast<float>(middle)), even);
    CHECK_EQ(e4m3_encode(std::nextafter(middle, 0.0)), code);
    CHECK_EQ(e4m3_encode(std::nextafter(middle, kInf)), code + 1);
    CHECK_EQ(e4m3_encode(std::nextafterf(static_cast<float>(middle), 0.0F)), code);
    CHECK_EQ(e4m3_encode(std::nextafterf(static_cast<float>(middle), INFINITY)), code + 1);
  }
}

TEST_CASE("E4M3: the facts about saturation, NaN and underflow") {
  CHECK_EQ(e4m3_encode(448.0F), 0x7E);
  CHECK_EQ(e4m3_encode(449.0F), 0x7E);
  CHECK_EQ(e4m3_encode(464.0F), 0x7E);
  CHECK_EQ(e4m3_encode(1e30F), 0x7E);
  CHECK_EQ(e4m3_encode(INFINITY), 0x7E);
  CHECK_EQ(e4m3_encode(-INFINITY), 0xFE);
  CHECK_EQ(e4m3_encode(NAN), 0x7F);
  CHECK_EQ(e4m3_encode(-NAN), 0x7F);
  CHECK_EQ(e4m3_encode(kNaN), 0x7F);
  CHECK_EQ(e4m3_encode(0x1p-10F), 0x00);
  CHECK_EQ(e4m3_encode(std::nextafterf(0x1p-10F, 1.0F)), 0x01);
  CHECK_EQ(e4m3_encode(0x1p-1074), 0x00);
  CHECK_EQ(e4m3_encode(0x1p-149F), 0x00);
  CHECK_EQ(e4m3_encode(-0.0F), 0x80);
  CHECK_EQ(e4m3_encode(17.0F), 0x58);
  CHECK_EQ(e4m3_encode(19.0F), 0x5A);
}

TEST_CASE("E4M3: fp32 patterns across the range agree with a search over all codes") {
  const std::vector<double> magnitudes = e4m3_magnitudes();
  // Every 1009th pattern from 2^-12 to 2^10: about 180 000 values, all fraction shapes.
  for (uint32_t bits = std::bit_cast<uint32_t>(0x1p-12F); bits < std::bit_cast<uint32_t>(0x1p10F); bits += 1009) {
    const float value = std::bit_cast<float>(bits);
    REQUIRE_EQ(e4m3_encode(value), nearest_code(magnitudes, value));
    REQUIRE_EQ(e4m3_encode(static_cast<double>(value)), nearest_code(magnitudes, value));
  }
  for (const double a : {0.0, 1e-5, 0.00146, 0.0135, 0.99, 1.06, 100.0, 447.9, 455.0, 1e10}) check_e4m3(magnitudes, a);
}

TEST_CASE("E2M1: 16 codes, both nibbles, ties to the even code") {
  for (int code = 0; code < 16; ++code) {
    const double magnitude = kE2m1Magnitudes[static_cast<size_t>(code & 7)];
    const float value = e2m1_decode(static_cast<uint8_t>(code));
    CHECK_EQ(std::fabs(value), magnitude);
    CHECK_EQ(std::signbit(value), code >= 8);
    CHECK_EQ(kE2m1Halves[static_cast<size_t>(code)], static_cast<int>(2 * value));
    CHECK_EQ(e2m1_encode(value), code);
    CHECK_EQ(e2m1_encode(static_cast<double>(value)), code);
  }
  const std::vector<std::pair<float, int>> ties = {{0.25F, 0}, {0.75F, 2}, {1.25F, 2}, {1.75F, 4}, {2.5F, 4}, {3.5F, 6}, {5.0F, 6}};
  for (const auto& [value, code] : ties) {
    CHECK_EQ(e2m1_encode(value), code);
    CHECK_EQ(e2m1_encode(-value), code | 8);
  }
  // (1, 6) is byte 0x72: the even element lies in the low nibble.
  const uint8_t byte = 0x72;
  CHECK_EQ(e2m1_decode(fp4_at(&byte, 0)), 1.0F);
  CHECK_EQ(e2m1_decode(fp4_at(&byte, 1)), 6.0F);
}

TEST_CASE("E2M1: saturation, NaN, signed zero") {
  CHECK_EQ(e2m1_encode(5.0000005F), 7);
  CHECK_EQ(e2m1_encode(1e30F), 7);
  CHECK_EQ(e2m1_encode(INFINITY), 0x7);
  CHECK_EQ(e2m1_encode(-INFINITY), 0xF);
  CHECK_EQ(e2m1_encode(NAN), 0x7);
  CHECK_EQ(e2m1_encode(-NAN), 0x7);
  CHECK_EQ(e2m1_encode(-0.0F), 0x8);
  CHECK_EQ(e2m1_encode(-0.25F), 0x8);
  CHECK_EQ(e2m1_encode(-1e-30F), 0x8);
  CHECK_EQ(e2m1_encode(0.0F), 0x0);
}

TEST_CASE("E2M1: every bf16 value agrees with a search over all codes") {
  for (uint32_t pattern = 0; pattern < 0x10000U; ++pattern) {
    const float value = bf16_decode(static_cast<uint16_t>(pattern));
    if (std::isnan(value)) continue;
    const int expected = nearest_code(kE2m1Magnitudes, std::fabs(value)) | (std::signbit(value) ? 8 : 0);
    REQUIRE_EQ(e2m1_encode(value), expected);
    REQUIRE_EQ(e2m1_encode(static_cast<double>(value)), expected);
  }
}

TEST_CASE("every E4M3 x E2M1 product is exact in fp32, bf16 and fp16") {
  for (int scale = 0; scale < 256; ++scale) {
    if (e4m3_is_nan(static_cast<uint8_t>(scale))) continue;
    for (uint8_t element = 0; element < 16; ++element) {
      const double product = static_cast<double>(e4m3_decode(static_cast<uint8_t>(scale))) * e2m1_decode(element);
      const float narrow = static_cast<float>(product);
      CHECK_EQ(static_cast<double>(narrow), product);
      CHECK_EQ(static_cast<double>(bf16_decode(bf16_encode(narrow))), product);
      CHECK_EQ(static_cast<double>(f16_decode(f16_encode(narrow))), product);
    }
  }
}

TEST_CASE("bf16 and half: all patterns round-trip, midpoints go to even, overflow and NaN as the hardware's") {
  for (uint32_t pattern = 0; pattern < 0x10000U; ++pattern) {
    const auto bits = static_cast<uint16_t>(pattern);
    const float wide = bf16_decode(bits);
    if (std::isnan(wide)) CHECK_EQ(bf16_encode(wide), 0x7FFF);
    else CHECK_EQ(bf16_encode(wide), bits);
    const float half = f16_decode(bits);
    if (std::isnan(half)) CHECK_EQ(f16_encode(half), 0x7FFF);
    else CHECK_EQ(f16_encode(half), bits);
    // Midway to the next pattern of the same sign, where both are finite.
    const auto next = static_cast<uint16_t>(bits + 1);
    const auto even = static_cast<uint16_t>((bits & 1U) == 0 ? bits : next);
    if ((next & 0x7FFFU) != 0 && std::isfinite(wide) && std::isfinite(bf16_decode(next))) {
      const double middle = (static_cast<double>(wide) + bf16_decode(next)) / 2;
      CHECK_EQ(bf16_encode(static_cast<float>(middle)), even);
      CHECK_EQ(bf16_encode(middle), even);
      // Closer to the first than fp32 can say: one rounding sees it, two would not.
      CHECK_EQ(bf16_encode(std::nextafter(middle, static_cast<double>(wide))), bits);
      CHECK_EQ(bf16_encode(std::nextafter(middle, static_cast<double>(bf16_decode(next)))), next);
    }
    if ((next & 0x7FFFU) != 0 && std::isfinite(half) && std::isfinite(f16_decode(next))) {
      CHECK_EQ(f16_encode((half + f16_decode(next)) / 2), even);
    }
  }
  CHECK_EQ(bf16_encode(std::numeric_limits<float>::max()), 0x7F80);
  CHECK_EQ(f16_encode(65519.996F), 0x7BFF);
  CHECK_EQ(f16_encode(65520.0F), 0x7C00);
  CHECK_EQ(bf16_round(1.00390625F), 1.0F);
}
