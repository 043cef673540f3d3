// E2M1, E4M3 and bf16 on the device, bit for bit as core/formats has them on the host.
#pragma once

#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstdint>

/// 1 where the compilation target has the FP4 instructions of SM120 (sm_120a, sm_121a, or the family target 120f). Plain
/// sm_120 has none of them: nvcc sets neither macro there.
#if (defined(__CUDA_ARCH_FAMILY_SPECIFIC__) && __CUDA_ARCH_FAMILY_SPECIFIC__ == 1200) || \
    (defined(__CUDA_ARCH_SPECIFIC__) && (__CUDA_ARCH_SPECIFIC__ == 1200 || __CUDA_ARCH_SPECIFIC__ == 1210))
#define MOESCOPE_FP4_INSTRUCTIONS 1
#else
#define MOESCOPE_FP4_INSTRUCTIONS 0
#endif

namespace moe::cuda {

inline constexpr float kE4m3Max = 448.0F;
inline constexpr int kBlock = 16;  ///< elements that share an E4M3 scale

__device__ __forceinline__ float bf16_decode(uint16_t bits) { return __uint_as_float(static_cast<uint32_t>(bits) << 16U); }

/// Nearest bf16, ties to even; NaN gives 0x7FFF.
__device__ __forceinline__ uint16_t bf16_encode(float x) {
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}

__device__ __forceinline__ float bf16_round(float x) { return bf16_decode(bf16_encode(x)); }

/// Two values as one word, `low` in the low half.
__device__ __forceinline__ uint32_t bf16x2_encode(float low, float high) {
  uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

/// Value of an E4M3 byte; 0x7F and 0xFF are NaN. Exact.
__device__ __forceinline__ float e4m3_decode(uint8_t code) {
  return __half2float(__half(__nv_cvt_fp8_to_halfraw(code, __NV_E4M3)));
}

/// Values of bytes 0 and 1 (`index` 0) or 2 and 3 (`index` 1) of a word of four E4M3 bytes, lower byte in `.x`. Exact.
__device__ __forceinline__ __half2 e4m3x2_decode(uint32_t four, int index) {
  return __half2(__nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(four >> (16 * index)), __NV_E4M3));
}

/// Nearest E4M3, ties to even, saturating at 448; NaN gives 0x7F (`cvt.rn.satfinite.e4m3x2.f32`).
__device__ __forceinline__ uint8_t e4m3_encode(float x) { return __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3); }

/// Nearest E2M1 code, ties to the even code, saturating at 6; NaN of either sign gives 0x7
/// (`cvt.rn.satfinite.e2m1x2.f32`). The software form, for targets without the instruction.
__device__ __forceinline__ uint32_t e2m1_encode_software(float x) {
  const float a = fminf(fabsf(x), 6.0F);  // fminf drops a NaN: 6
  // Below 1 the step is 0.5, the ulp of 2^22: the addition rounds to even. From 1 on one fraction bit is kept.
  const uint32_t small = __float_as_uint(__fadd_rn(a, 4194304.0F)) & 3U;
  const uint32_t bits = __float_as_uint(a);
  const uint32_t large = ((bits + 0x1FFFFFU + (bits >> 22U & 1U)) >> 22U) - 252U;  // 252 = 2 * 127 - 2
  const uint32_t sign = x != x ? 0U : __float_as_uint(x) >> 28U & 8U;
  return (a < 1.0F ? small : large) | sign;
}

/// Two codes as a byte, `low` in the low nibble.
__device__ __forceinline__ uint32_t e2m1x2_encode(float low, float high) {
#if MOESCOPE_FP4_INSTRUCTIONS
  uint32_t byte;
  asm("{\n.reg .b8 pair;\ncvt.rn.satfinite.e2m1x2.f32 pair, %2, %1;\nmov.b32 %0, {pair, pair, pair, pair};\n}" : "=r"(byte) : "f"(low), "f"(high));
  return byte & 0xFFU;
#else
  return e2m1_encode_software(low) | e2m1_encode_software(high) << 4U;
#endif
}

/// Twice the values of four E2M1 codes (the low 16 bits of `codes`, first code lowest) as four signed bytes, first code in
/// the lowest: 0, 1, 2, 3, 4, 6, 8, 12 and their negatives.
__device__ __forceinline__ uint32_t e2m1x4_halves(uint32_t codes) {
  const uint32_t select = codes & 0x7777U;
  const uint32_t positive = __byte_perm(0x03020100U, 0x0C080604U, select);
  const uint32_t negative = __byte_perm(0xFDFEFF00U, 0xF4F8FAFCU, select);
  // Bit 3 of each nibble spread over its byte: PRMT's selector bit 3 replicates the chosen byte's top bit. Nibbles 1
  // and 3 have their sign at the top of bytes 0 and 1; of nibbles 0 and 2 it gets there by a shift.
  uint32_t negate;
  asm("prmt.b32 %0, %1, %2, 0x9D8C;" : "=r"(negate) : "r"(codes), "r"(codes << 4U));
  return (positive & ~negate) | (negative & negate);
}

/// Values of four E2M1 codes as fp16, exact: first and second in `.x`/`.y` of `first`, the others in `second`.
__device__ __forceinline__ void e2m1x4_decode(uint32_t codes, __half2& first, __half2& second) {
  // fp16 sign | exponent and fraction of the code at the top of the fp16 ones, 2^-14 too small; 0.5 is an fp16 subnormal.
  const auto pair = [](uint32_t low, uint32_t high) {
    const uint32_t word = low | high << 16U;
    const uint32_t bits = (word & 0x80008000U) | (word & 0x70007000U) >> 3U;
    const __half2 scale = __half2half2(__ushort_as_half(0x7400));  // 2^14
    return __hmul2(*reinterpret_cast<const __half2*>(&bits), scale);
  };
  first = pair((codes & 0xFU) << 12U, (codes & 0xF0U) << 8U);
  second = pair((codes & 0xF00U) << 4U, codes & 0xF000U);
}

/// Byte offset of the scale of (row, block) in a plane in 128x4 order with `k_tiles` = ceil(K / 64) (core/layout).
__device__ __forceinline__ int64_t scale_offset_128x4(int row, int block, int k_tiles) {
  return (static_cast<int64_t>(row >> 7) * k_tiles + (block >> 2)) * 512 + (row & 31) * 16 + ((row >> 5) & 3) * 4 + (block & 3);
}

}  // namespace moe::cuda
