// E4M3 "fn": bias 7, largest 448 = 0x7E, 0x7F and 0xFF are NaN, no infinity, subnormal step 2^-9.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace moe {

inline constexpr float kE4m3Max = 448.0F;
inline constexpr float kE4m3MinNormal = 0.015625F;       // 2^-6, code 0x08
inline constexpr float kE4m3MinSubnormal = 0.001953125F;  // 2^-9, code 0x01
inline constexpr uint8_t kE4m3NaN = 0x7F;

namespace detail {
constexpr float e4m3_value(unsigned byte) {
  const unsigned magnitude = byte & 0x7FU;
  if (magnitude == 0x7FU) return std::numeric_limits<float>::quiet_NaN();
  const unsigned exponent = magnitude >> 3U;
  float value = static_cast<float>(exponent == 0 ? magnitude : 8U + (magnitude & 7U)) * kE4m3MinSubnormal;
  for (unsigned i = 1; i < exponent; ++i) value *= 2.0F;
  return (byte & 0x80U) != 0 ? -value : value;
}
constexpr std::array<float, 256> e4m3_table() {
  std::array<float, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = e4m3_value(byte);
  return table;
}
}  // namespace detail

/// Value of every code.
inline constexpr std::array<float, 256> kE4m3Values = detail::e4m3_table();

constexpr float e4m3_decode(uint8_t code) { return kE4m3Values[code]; }
constexpr bool e4m3_is_nan(uint8_t code) { return (code & 0x7FU) == 0x7FU; }
/// Non-zero and below 2^-6: fewer than three fraction bits are left.
constexpr bool e4m3_is_subnormal(uint8_t code) { return (code & 0x78U) == 0 && (code & 0x7FU) != 0; }

/// Nearest code, ties to even, saturating at 448 (`cvt.rn.satfinite.e4m3x2.f32`; host code of CUDA 13.0 cuda_fp8.h):
/// everything from 432 (a tie) to infinity -> 0x7E, NaN of either sign -> 0x7F, 2^-10 -> 0x00, just above -> 0x01.
constexpr uint8_t e4m3_encode(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint8_t>(bits >> 24U & 0x80U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return kE4m3NaN;
  if (magnitude >= 0x43E00000U) return sign | 0x7EU;  // >= 448
  if (magnitude < 0x3C800000U) {                       // < 2^-6: adding 2^14, whose ulp is 2^-9, rounds to the step
    const float shifted = std::bit_cast<float>(magnitude) + 16384.0F;
    return static_cast<uint8_t>(sign | (std::bit_cast<uint32_t>(shifted) & 0xFU));
  }
  const uint32_t rounded = magnitude + 0x7FFFFU + (magnitude >> 20U & 1U);  // half of the dropped 20 bits, ties to even
  return static_cast<uint8_t>(sign | ((rounded >> 20U) - (120U << 3U)));     // 120 = 127 - 7
}

/// The same from fp64, rounding once.
constexpr uint8_t e4m3_encode(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const auto sign = static_cast<uint8_t>(bits >> 56U & 0x80U);
  const uint64_t magnitude = bits & 0x7FFFFFFFFFFFFFFFULL;
  if (magnitude > 0x7FF0000000000000ULL) return kE4m3NaN;
  const double a = std::bit_cast<double>(magnitude);
  if (a >= 448.0) return sign | 0x7EU;
  if (a < 0.015625) {  // the ulp of 2^43 is 2^-9
    const double shifted = a + 8796093022208.0;
    return static_cast<uint8_t>(sign | (std::bit_cast<uint64_t>(shifted) & 0xFU));
  }
  const uint64_t rounded = magnitude + 0xFFFFFFFFFFFFULL + (magnitude >> 49U & 1U);
  return static_cast<uint8_t>(sign | ((rounded >> 49U) - (1016U << 3U)));  // 1016 = 1023 - 7
}

}  // namespace moe
