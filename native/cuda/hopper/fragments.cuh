// FP4 weights in the order that one warp's mma.sync.m16n8k16 wants them, and their exact decoding to fp16.
//
// Weights take the MMA's M side. A unit is 32 weight rows (two m16 tiles); a chunk is a unit's 64 consecutive k: 512 bytes
// of codes for each tile (16 a lane) and 128 bytes of E4M3 scales (4 a lane), 1152 bytes in all. With g = lane / 4 and
// q = lane % 4, a lane holds rows g and g + 8 of a tile and the whole 16-block q of the chunk, so that it needs one scale
// a row; MMA step s takes k = 16 q + 4 s + {0, 1} as the fragment's first column pair and + {2, 3} as its second. A sum over
// k does not mind the order, as long as both operands have the same.
#pragma once

#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstddef>
#include <cstdint>

namespace moe::cuda::hopper {

inline constexpr int kUnitRows = 32;
inline constexpr int kChunkColumns = 64;
inline constexpr int kTileBytes = 512;                    ///< codes of one m16 tile in a chunk
inline constexpr int kChunkBytes = 2 * kTileBytes + 128;  ///< 4.5 bits a weight: nothing is padded
inline constexpr int kRowChunkBytes = 2 * kChunkColumns;  ///< fp16 activations of one row in a chunk

/// Decoded weights are 2^-14 times their value (the code's bits sit in fp16's exponent field without a bias) and are
/// multiplied by 2^5 times their scale, so that 448 * 2^5 stays finite; the product is a multiple of 2^-19 and at most 5.25:
/// exact in fp16. FC's fp32 sums are multiplied by this.
inline constexpr float kWeightFactor = 512.0F;

/// Byte offset of element k in a row of fp16 activations: within a chunk, the first halves of its four 16-blocks, then the
/// second halves, so that the four q lanes read 64 consecutive bytes.
__host__ __device__ constexpr size_t row_offset(int k) {
  return static_cast<size_t>(k / 64) * kRowChunkBytes + static_cast<size_t>((k % 16) / 8 * 64 + (k % 64) / 16 * 16 + (k % 8) * 2);
}

/// Bits of a fragment word's 16-bit half, for the codes of: row g, first pair (sign 15, magnitude 11..9); row g + 8, first
/// pair (12, 8..6); row g, second pair (14, 5..3); row g + 8, second pair (13, 2..0). The low half has the pair's even k.
/// `code` is an E2M1 code, `which` 0..3 in that order.
__host__ __device__ constexpr uint32_t place_code(uint32_t code, int which) {
  const int sign = which == 0 ? 15 : which == 1 ? 12 : which == 2 ? 14 : 13;
  const int magnitude = 9 - 3 * which;
  return ((code >> 3U) & 1U) << sign | (code & 7U) << magnitude;
}

/// Two fp16 scales times 2^5, duplicated over a half2 each, from two E4M3 bytes (bits 0..15 of `bytes`).
__device__ __forceinline__ void decode_scales(uint32_t bytes, __half2& low, __half2& high) {
  const __half2 both = __hmul2(__half2(__nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(bytes), __NV_E4M3)), __float2half2_rn(32.0F));
  low = __low2half2(both);
  high = __high2half2(both);
}

/// The A fragment of one MMA step from a word of eight codes: 9 integer instructions and 4 multiplications. The third and
/// fourth pair of codes are masked first, so that one multiplication can shift their magnitudes and signs by different
/// amounts: what it leaves elsewhere carries no further than bit 7 and is masked out again.
/// Source of the masked extraction: Triton's and FlashInfer's interleaved FP4 upcast (anchors: mixed_input_utils.hpp).
__device__ __forceinline__ void decode_fragment(uint32_t word, __half2 scale_g, __half2 scale_g8, uint32_t (&a)[4]) {
  constexpr uint32_t kCode = 0x8E008E00U;
  const uint32_t bits[4] = {word & kCode, (word << 3U) & kCode, ((word & 0x40384038U) * 0x42U) & kCode, ((word & 0x20072007U) * 0x204U) & kCode};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const __half2 product = __hmul2(*reinterpret_cast<const __half2*>(&bits[i]), i % 2 == 0 ? scale_g : scale_g8);
    a[i] = *reinterpret_cast<const uint32_t*>(&product);
  }
}

/// c += A * B, fp16 operands, fp32 sums. c: rows g (0, 1) and g + 8 (2, 3), columns 2q and 2q + 1.
__device__ __forceinline__ void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// c[t][n] += tile t of a unit's chunk in shared memory times the n-th eight rows, of which the lane holds its two halves
/// (row_offset()) of row g.
template <int kRowGroups>
__device__ __forceinline__ void multiply_chunk(const uint8_t* weights, int lane, const uint4 (&rows)[kRowGroups][2], float (*c)[kRowGroups][4]) {
  const uint32_t scales = *reinterpret_cast<const uint32_t*>(weights + 2 * kTileBytes + lane * 4);
#pragma unroll
  for (int t = 0; t < 2; ++t) {
    const uint4 codes = *reinterpret_cast<const uint4*>(weights + t * kTileBytes + lane * 16);
    __half2 scale_g;
    __half2 scale_g8;
    decode_scales(scales >> (16 * t) & 0xFFFFU, scale_g, scale_g8);
    uint32_t a[4];
    decode_fragment(codes.x, scale_g, scale_g8, a);
#pragma unroll
    for (int n = 0; n < kRowGroups; ++n) mma_m16n8k16(c[t][n], a, rows[n][0].x, rows[n][0].y);
    decode_fragment(codes.y, scale_g, scale_g8, a);
#pragma unroll
    for (int n = 0; n < kRowGroups; ++n) mma_m16n8k16(c[t][n], a, rows[n][0].z, rows[n][0].w);
    decode_fragment(codes.z, scale_g, scale_g8, a);
#pragma unroll
    for (int n = 0; n < kRowGroups; ++n) mma_m16n8k16(c[t][n], a, rows[n][1].x, rows[n][1].y);
    decode_fragment(codes.w, scale_g, scale_g8, a);
#pragma unroll
    for (int n = 0; n < kRowGroups; ++n) mma_m16n8k16(c[t][n], a, rows[n][1].z, rows[n][1].w);
  }
}

}  // namespace moe::cuda::hopper
