// E2M1 (FP4): bit 3 sign, bits 2..1 exponent (bias 1), bit 0 mantissa; no infinity, no NaN.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace moe {

inline constexpr float kE2m1Max = 6.0F;

/// Value of each of the 16 codes; code 8 is minus zero. Source: CUDA cuda_fp4.h; vLLM nvfp4_emulation_utils.py.
inline constexpr std::array<float, 16> kE2m1Values = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                                      -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

/// Twice the value, an integer: what integer-exact block dots multiply (value = half / 2).
inline constexpr std::array<int8_t, 16> kE2m1Halves = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Value of a code; bits above the low nibble are ignored.
constexpr float e2m1_decode(uint8_t code) { return kE2m1Values[code & 15U]; }

/// Nearest code, ties to the even code, saturating at 6 (`cvt.rn.satfinite.e2m1x2.f32`, checked against the host code of
/// CUDA 13.0 cuda_fp4.h): 0.25 -> 0, 0.75 -> 1, 1.25 -> 1, 1.75 -> 2, 2.5 -> 2, 3.5 -> 4, 5 -> 4, infinity -> 6.
/// NaN of either sign gives 0x7 (+6); minus zero and negatives down to -0.25 give 0x8.
template <class Real>
constexpr uint8_t e2m1_encode(Real x) {
  if (x != x) return 0x7;
  const Real a = x < 0 ? -x : x;
  // Each comparison steps up by one code; strict where the tie belongs to the lower (even) code.
  const auto magnitude = static_cast<uint8_t>((a > Real(0.25)) + (a >= Real(0.75)) + (a > Real(1.25)) +
                                              (a >= Real(1.75)) + (a > Real(2.5)) + (a >= Real(3.5)) + (a > Real(5)));
  return static_cast<uint8_t>(magnitude | (std::signbit(x) ? 8U : 0U));
}

/// Element `index` of a packed row: element 2i is the low nibble of byte i, element 2i+1 the high one.
constexpr uint8_t fp4_at(const uint8_t* packed, int64_t index) {
  const uint8_t byte = packed[index >> 1];
  return static_cast<uint8_t>((index & 1) != 0 ? byte >> 4U : byte & 15U);
}

}  // namespace moe
