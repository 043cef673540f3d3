// One m16n8k64 product of NVFP4 operands with their block scales, as one function with two bodies: the instruction of
// SM120, and software with the same operands in the same lanes, exact, for devices without it.
//
// Fragments (PTX ISA "Block Scaling for mma.sync"; CUTLASS mma_traits_sm120.hpp), lane = 4 g + q:
//   a[0] row g, k = 8q..8q+7; a[1] row g + 8, same k; a[2] row g, k = 32 + 8q..; a[3] row g + 8, k = 32 + 8q..
//   b[0] column g, k = 8q..8q+7; b[1] column g, k = 32 + 8q..     nibble j of a word is k + j, lowest first
//   d[0], d[1] row g, columns 2q, 2q + 1; d[2], d[3] row g + 8
//   sfa: four E4M3 bytes, byte j scales k = 16j..16j+15; row m is read from lane 4 (m % 8) + 2 kSelectA + m / 8
//   sfb: likewise; column n is read from lane 4 n + kSelectB
// Scales are UE4M3: the sign bit is not looked at.
#pragma once

#include "cuda/kernels/formats.cuh"

namespace moe::cuda::b12x {

/// d += A * B by `mma.sync ... kind::mxf4nvf4.block_scale.scale_vec::4X`. In which order the instruction adds the 64
/// products is not documented. Code for a target without the instruction traps: family.cc never launches it there.
struct NativeMma {
  template <int kSelectA = 0, int kSelectB = 0>
  __device__ __forceinline__ static void run(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t sfa, uint32_t sfb) {
#if MOESCOPE_FP4_INSTRUCTIONS
    asm volatile(
        "mma.sync.aligned.kind::mxf4nvf4.block_scale.scale_vec::4X.m16n8k64.row.col.f32.e2m1.e2m1.f32.ue4m3 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3}, {%10}, {0, %12}, {%11}, {0, %13};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(sfa), "r"(sfb), "n"(kSelectA), "n"(kSelectB));
#else
    __trap();
#endif
  }
};

namespace emulation {

constexpr unsigned kAllLanes = 0xFFFFFFFFU;

/// The eight words of 64 codes that the quad `quad` (lanes 4 quad .. 4 quad + 3) holds in `low` (k < 32) and `high`.
__device__ __forceinline__ void gather_codes(uint32_t low, uint32_t high, int quad, uint32_t (&words)[8]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    words[i] = __shfl_sync(kAllLanes, low, 4 * quad + i);
    words[4 + i] = __shfl_sync(kAllLanes, high, 4 * quad + i);
  }
}

/// Sum over one block of (2 * value) * (2 * value), an integer of at most 2304.
__device__ __forceinline__ int block_dot(const uint32_t (&left)[8], const uint32_t (&right)[8], int block) {
  int sum = 0;
#pragma unroll
  for (int word = 2 * block; word < 2 * block + 2; ++word) {
    sum = __dp4a(static_cast<int>(e2m1x4_halves(left[word])), static_cast<int>(e2m1x4_halves(right[word])), sum);
    sum = __dp4a(static_cast<int>(e2m1x4_halves(left[word] >> 16U)), static_cast<int>(e2m1x4_halves(right[word] >> 16U)), sum);
  }
  return sum;
}

/// (((d + term 0) + term 1) + term 2) + term 3 with term = dot * (sfa * sfb / 4): dots have 12 bits, products of scales
/// 8, so a term is exact in fp32 and only the four additions round. The cpu provider adds in this order too (cpu/dot.h).
__device__ __forceinline__ float add_blocks(float d, const uint32_t (&row)[8], const uint32_t (&column)[8], uint32_t sfa, uint32_t sfb) {
#pragma unroll
  for (int block = 0; block < 4; ++block) {
    const float scale = __fmul_rn(e4m3_decode(static_cast<uint8_t>(sfa >> (8 * block) & 0x7FU)), 0.25F * e4m3_decode(static_cast<uint8_t>(sfb >> (8 * block) & 0x7FU)));
    d = __fadd_rn(d, __fmul_rn(static_cast<float>(block_dot(row, column, block)), scale));
  }
  return d;
}

/// The whole product; a call, so that unrolled tiles stay small. Every lane of the warp takes part.
static __device__ __noinline__ float4 product(float4 d, uint4 a, uint2 b, uint32_t sfa, uint32_t sfb, int select_a, int select_b) {
  const int lane = static_cast<int>(threadIdx.x % 32U);
  const int g = lane / 4;
  const int q = lane % 4;
  uint32_t upper[8];
  uint32_t lower[8];
  uint32_t left[8];
  uint32_t right[8];
  gather_codes(a.x, a.z, g, upper);
  gather_codes(a.y, a.w, g, lower);
  gather_codes(b.x, b.y, 2 * q, left);
  gather_codes(b.x, b.y, 2 * q + 1, right);
  const uint32_t sf_upper = __shfl_sync(kAllLanes, sfa, 4 * g + 2 * select_a);
  const uint32_t sf_lower = __shfl_sync(kAllLanes, sfa, 4 * g + 2 * select_a + 1);
  const uint32_t sf_left = __shfl_sync(kAllLanes, sfb, 8 * q + select_b);
  const uint32_t sf_right = __shfl_sync(kAllLanes, sfb, 8 * q + 4 + select_b);
  return make_float4(add_blocks(d.x, upper, left, sf_upper, sf_left), add_blocks(d.y, upper, right, sf_upper, sf_right),
                     add_blocks(d.z, lower, left, sf_lower, sf_left), add_blocks(d.w, lower, right, sf_lower, sf_right));
}

}  // namespace emulation

/// The same in software. Block dots are exact; the order of the additions across blocks is emulation::add_blocks's.
struct EmulatedMma {
  template <int kSelectA = 0, int kSelectB = 0>
  __device__ __forceinline__ static void run(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t sfa, uint32_t sfb) {
    const float4 out = emulation::product(make_float4(d[0], d[1], d[2], d[3]), make_uint4(a[0], a[1], a[2], a[3]), make_uint2(b[0], b[1]), sfa, sfb, kSelectA, kSelectB);
    d[0] = out.x;
    d[1] = out.y;
    d[2] = out.z;
    d[3] = out.w;
  }
};

}  // namespace moe::cuda::b12x
