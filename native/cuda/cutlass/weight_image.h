// How expert_gemm.h's weights lie in memory: NVFP4 as read in one piece by the warps that upcast it.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define MOESCOPE_BOTH_SIDES __host__ __device__
#else
#define MOESCOPE_BOTH_SIDES
#endif

namespace moe::cuda::cutlass_path {

constexpr int kWeightBlock = 128;  ///< rows of weights that a warp group takes
constexpr int kPanel = 64;         ///< columns of K in a stage: 128 bytes, one swizzle row

MOESCOPE_BOTH_SIDES constexpr int panels(int k) { return (k + kPanel - 1) / kPanel; }

/// Bytes of a block's panel: codes [2 halves of 32 k][128 rows][16], scales [128 rows][4].
constexpr int kPanelCodes = kWeightBlock * kPanel / 2;
constexpr int kPanelBytes = kPanelCodes + kWeightBlock * kPanel / 16;

/// Blocks of 128 rows. Gated FC1's take 64 of `up` and 64 of `gate` each, padded with zeros like the last of the others.
MOESCOPE_BOTH_SIDES constexpr int weight_blocks(int n, bool gated) {
  const int columns = gated ? n / 2 : n;
  const int each = gated ? kWeightBlock / 2 : kWeightBlock;
  return (columns + each - 1) / each;
}

/// Bytes of an expert's weights as an image: [blocks of 128 n][panels of 64 k][kPanelBytes], padded with zeros.
MOESCOPE_BOTH_SIDES constexpr int64_t image_bytes(int n, int k, bool gated) { return static_cast<int64_t>(weight_blocks(n, gated)) * panels(k) * kPanelBytes; }

/// Where a weight row lies.
struct ImageRow {
  int block, row;
};

/// Of a thread of wgmma there are, for a token, rows g and g + 8 of 16 a warp in each of two 64-row MMAs (g = lane / 4).
/// Gated: the first MMA has `up`, the second `gate` of the same two neighbours, a warp 16 columns of I: a block of scales.
/// Otherwise the four are neighbours in n.
MOESCOPE_BOTH_SIDES constexpr ImageRow image_row(int n, int rows, bool gated) {
  if (gated) {
    const int kind = n < rows / 2 ? 0 : 1;
    const int column = n - kind * (rows / 2);
    const int in_block = column % 64;
    return {column / 64, kind * 64 + in_block / 16 * 16 + in_block % 2 * 8 + in_block % 16 / 2};
  }
  const int in_block = n % kWeightBlock;
  return {n / kWeightBlock, in_block % 4 / 2 * 64 + in_block / 32 * 16 + in_block % 2 * 8 + in_block % 32 / 4};
}

/// Eight codes in element order -> a word with the even elements in its low half, the odd ones in its high half, so that a
/// shift and a mask give pair i as bf16 with the code's three low bits below bf16's exponent: pairs 0 to 2 lie 3 bits apart,
/// the bits that these leave hold pair 3 (sm90_upcast.cuh takes them out again).
MOESCOPE_BOTH_SIDES constexpr uint32_t pack_image_codes(uint32_t codes) {
  uint32_t out = 0;
  for (int half = 0; half < 2; ++half) {
    uint32_t bits = 0;
    for (int pair = 0; pair < 3; ++pair) {
      const uint32_t code = codes >> (4 * (2 * pair + half)) & 0xFU;
      bits |= ((code & 8U) << 12U | (code & 7U) << 6U) >> (3 * pair);
    }
    const uint32_t code = codes >> (4 * (6 + half)) & 0xFU;
    bits |= (code & 8U) << 11U | (code & 4U) << 11U | (code & 2U) << 9U | (code & 1U) << 11U;
    out |= bits << (16 * half);
  }
  return out;
}

/// The scale with 5 bits of exponent and 3 of fraction: E4M3's subnormals become normal, so that the byte moved to bf16's
/// exponent and fraction plus a constant is the scale. 0 for 0, whose codes must then be 0; NaN stays NaN. The sign is not kept.
MOESCOPE_BOTH_SIDES constexpr uint8_t pack_image_scale(uint8_t e4m3) {
  const int magnitude = e4m3 & 0x7F;
  if (magnitude == 0x7F) return 0xFF;
  if (magnitude >= 8) return static_cast<uint8_t>(magnitude + 112);  // 14 more in the exponent
  if (magnitude == 0) return 0;
  const int power = magnitude >= 4 ? 2 : magnitude >= 2 ? 1 : 0;
  return static_cast<uint8_t>((12 + power) << 3 | (magnitude << (3 - power) & 7));
}

/// What upcast weights are of their values: 2^-8, because bf16 has no room for a code's 2^126 in the scale.
constexpr float kImageFactor = 1.0F / 256.0F;

}  // namespace moe::cuda::cutlass_path
