// NVFP4 weights of an image to bf16 in shared memory, as wgmma reads them.
#pragma once

#include <cuda_bf16.h>

#include "cuda/cutlass/weight_image.h"

namespace moe::cuda::cutlass_path {

constexpr int kPanelRowBytes = kPanel * 2;
constexpr int kBlockBytes = kWeightBlock * kPanelRowBytes;

/// One row of a block's panel: 64 codes and 4 scales.
struct PanelRow {
  uint4 codes[2];
  uint32_t scales;
};

/// @param panel of a block, in shared memory
__device__ __forceinline__ PanelRow read_panel_row(const uint8_t* panel, int row) {
  PanelRow out;
  out.codes[0] = *(reinterpret_cast<const uint4*>(panel) + row);
  out.codes[1] = *(reinterpret_cast<const uint4*>(panel + kPanelCodes / 2) + row);
  out.scales = *(reinterpret_cast<const uint32_t*>(panel + kPanelCodes) + row);
  return out;
}

/// Scale byte `index` (pack_image_scale) times 2^118 as two equal bf16.
__device__ __forceinline__ uint32_t scale_pair(uint32_t four, int index) {
  return __byte_perm(four, 0, 0x4040U + 0x0101U * static_cast<uint32_t>(index)) * 16U + 0x70007000U;
}

/// Pair `index` of a word of eight codes (pack_image_codes): bf16 of 2^-126 times the codes' values.
__device__ __forceinline__ uint32_t code_pair(uint32_t word, int index) {
  if (index == 3) return (word << 1U & 0x80008000U) | (word >> 5U & 0x01400140U) | (word >> 3U & 0x00800080U);
  return word << (3 * index) & 0x81C081C0U;
}

/// kImageFactor * code * scale of a pair, exact.
__device__ __forceinline__ uint32_t upcast_pair(uint32_t word, int index, uint32_t scale) {
  const uint32_t code = code_pair(word, index);
  const __nv_bfloat162 value = __hmul2_rn(*reinterpret_cast<const __nv_bfloat162*>(&code), *reinterpret_cast<const __nv_bfloat162*>(&scale));
  return *reinterpret_cast<const uint32_t*>(&value);
}

/// 64 weights as bf16, 16 bytes a piece.
struct UpcastRow {
  uint4 pieces[8];
};

__device__ __forceinline__ UpcastRow upcast(const PanelRow& from) {
  UpcastRow out;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const uint32_t words[4] = {from.codes[half].x, from.codes[half].y, from.codes[half].z, from.codes[half].w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint32_t scale = scale_pair(from.scales, half * 2 + i / 2);
      out.pieces[half * 4 + i] =
          make_uint4(upcast_pair(words[i], 0, scale), upcast_pair(words[i], 1, scale), upcast_pair(words[i], 2, scale), upcast_pair(words[i], 3, scale));
    }
  }
  return out;
}

/// Into the 128-byte swizzle: piece c of row r lies at c ^ (r % 8).
__device__ __forceinline__ void store_row(const UpcastRow& from, int row, uint8_t* block) {
#pragma unroll
  for (int i = 0; i < 8; ++i) *reinterpret_cast<uint4*>(block + row * kPanelRowBytes + (i ^ (row % 8)) * 16) = from.pieces[i];
}

}  // namespace moe::cuda::cutlass_path
