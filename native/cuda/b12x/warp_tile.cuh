// A warp's part of a grouped GEMM: 16 rows of activations against 8-column tiles of one expert's weights, operands read
// from global memory straight into MMA fragments. Every k64 step of a lane is a whole number of 8-code words, so K needs
// only be a multiple of 16: words and scales beyond K are read as zero.
#pragma once

#include "cuda/kernels/formats.cuh"
#include "cuda/launch.h"

namespace moe::cuda::b12x {

inline constexpr int kThreads = 256;
inline constexpr int kWarps = kThreads / 32;
inline constexpr int kStepK = 64;

/// How 8 warps share a tile of 16 * kRowWarps rows and 128 columns; every warp has 16 rows and kColumnTiles x 8 columns.
template <int kRowWarps>
struct WarpLayout {
  static constexpr int kColumnTiles = 2 * kRowWarps;
  int row_warp, first_column;
  __device__ __forceinline__ explicit WarpLayout(int warp) : row_warp(warp % kRowWarps), first_column(warp / kRowWarps * kColumnTiles * 8) {}
};

/// This lane's rows of quantized activations: `codes[i]` is row g + 8 i of the warp, nullptr beyond the tile's last row;
/// `scales` is of the row whose scale this lane holds for the MMA (selector 0, replicated over lanes q and q + 2).
struct ActivationLane {
  const uint8_t* codes[2];
  const uint8_t* scales;
};

/// One expert's weights.
struct WeightPlane {
  const uint8_t* codes;
  const uint8_t* scales;
  int k, k_tiles;
  __device__ __forceinline__ WeightPlane(const DeviceOperand& operand, int expert)
      : codes(operand.packed + static_cast<int64_t>(expert) * operand.n * (operand.k / 2)),
        scales(operand.scales + static_cast<int64_t>(expert) * static_cast<int64_t>(operand.scale_plane_bytes)),
        k(operand.k),
        k_tiles((operand.k + kStepK - 1) / kStepK) {}
};

__device__ __forceinline__ uint32_t load_word(const uint8_t* row, int byte, int bytes) {
  return row != nullptr && byte < bytes ? __ldg(reinterpret_cast<const unsigned int*>(row + byte)) : 0U;
}

/// Bytes of a word of four scales that belong to blocks below K.
__device__ __forceinline__ uint32_t scale_mask(int step, int k) {
  const int blocks = k / kBlock - 4 * step;
  return blocks >= 4 ? 0xFFFFFFFFU : (1U << (8 * blocks)) - 1U;
}

/// Four scales of a row in linear order; rows are aligned to four bytes only when K is a multiple of 64.
__device__ __forceinline__ uint32_t load_linear_scales(const uint8_t* row, int step, int k) {
  if (row == nullptr) return 0U;
  if (k % kStepK == 0) return __ldg(reinterpret_cast<const unsigned int*>(row + 4 * step));
  uint32_t word = 0;
  for (int i = 0; i < 4 && 4 * step + i < k / kBlock; ++i) word |= static_cast<uint32_t>(__ldg(row + 4 * step + i)) << (8 * i);
  return word;
}

__device__ __forceinline__ void load_a(const ActivationLane& lane_rows, int q, int step, int k, uint32_t (&a)[4], uint32_t& sfa) {
  const int byte = step * (kStepK / 2) + 4 * q;
  a[0] = load_word(lane_rows.codes[0], byte, k / 2);
  a[1] = load_word(lane_rows.codes[1], byte, k / 2);
  a[2] = load_word(lane_rows.codes[0], byte + 16, k / 2);
  a[3] = load_word(lane_rows.codes[1], byte + 16, k / 2);
  sfa = load_linear_scales(lane_rows.scales, step, k);
}

/// Fragment of weight rows first_row .. first_row + 7 (columns of the GEMM).
__device__ __forceinline__ void load_b(const WeightPlane& weights, int first_row, int g, int q, int step, uint32_t (&b)[2], uint32_t& sfb) {
  const int row = first_row + g;
  const uint8_t* codes = weights.codes + static_cast<int64_t>(row) * (weights.k / 2);
  const int byte = step * (kStepK / 2) + 4 * q;
  b[0] = load_word(codes, byte, weights.k / 2);
  b[1] = load_word(codes, byte + 16, weights.k / 2);
  sfb = __ldg(reinterpret_cast<const unsigned int*>(weights.scales + scale_offset_128x4(row, 4 * step, weights.k_tiles))) & scale_mask(step, weights.k);
}

/// Rows of a tile: which expert, where its sorted rows begin, how many.
struct TileRows {
  int expert, first, count;
};

}  // namespace moe::cuda::b12x
