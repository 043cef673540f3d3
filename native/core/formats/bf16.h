// bfloat16 and IEEE half precision as bit patterns.
#pragma once

#include <bit>
#include <cstdint>

namespace moe {

constexpr float bf16_decode(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16U); }

/// Nearest bf16, ties to even; overflow gives infinity, NaN gives 0x7FFF (`cvt.rn.bf16.f32`).
constexpr uint16_t bf16_encode(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return 0x7FFF;
  return static_cast<uint16_t>((bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U);
}

/// fp32 nearest to x with the lost part kept as a sticky last bit (round to odd), so that a second rounding to a
/// narrower format gives what one rounding would.
constexpr float round_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  const double back = static_cast<double>(nearest);
  const uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (back == x || x != x || (bits & 1U) != 0 || (bits & 0x7FFFFFFFU) == 0x7F800000U) return nearest;
  // `nearest` has an even last bit and is not exact: the odd neighbour lies on the side of x.
  const bool outward = (back < x) == (x > 0);
  return std::bit_cast<float>(outward ? bits + 1U : bits - 1U);
}

/// From fp64, rounding once.
constexpr uint16_t bf16_encode(double x) { return bf16_encode(round_to_odd(x)); }

/// x rounded to bf16 and back: what a bf16 store between two kernels does.
constexpr float bf16_round(float x) { return bf16_decode(bf16_encode(x)); }

constexpr float f16_decode(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16U;
  const uint32_t exponent = bits >> 10U & 31U;
  const uint32_t fraction = bits & 0x3FFU;
  if (exponent == 31U) return std::bit_cast<float>(sign | 0x7F800000U | fraction << 13U);
  if (exponent != 0U) return std::bit_cast<float>(sign | (exponent + 112U) << 23U | fraction << 13U);
  const float magnitude = static_cast<float>(fraction) * 5.9604644775390625e-8F;  // 2^-24
  return sign != 0U ? -magnitude : magnitude;
}

/// Nearest half, ties to even; overflow (from 65520) gives infinity, NaN gives 0x7FFF (`cvt.rn.f16.f32`).
constexpr uint16_t f16_encode(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint16_t>(bits >> 16U & 0x8000U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return 0x7FFF;
  if (magnitude >= 0x477FF000U) return sign | 0x7C00U;  // >= 65520
  if (magnitude < 0x38800000U) {                         // < 2^-14: the ulp of 0.5 is 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) & 0x7FFU));
  }
  const uint32_t rounded = magnitude + 0xFFFU + (magnitude >> 13U & 1U);
  return static_cast<uint16_t>(sign | ((rounded >> 13U) - (112U << 10U)));
}

}  // namespace moe
