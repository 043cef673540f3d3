// The inner loops: FP4 weights decoded once for 16 outputs, then multiplied with every row that wants them.
//
// The arithmetic, the same at every SIMD level, bit for bit:
//   d(b)  = sum over the 16 elements of block b of (2 * weight code value) * (2 * activation code value), an integer,
//           |d| <= 2304;
//   s(b)  = SF_activation(b) * (SF_weight(b) / 4), exact in fp32 (two 4-bit significands);
//   term  = d(b) * s(b), exact in fp32 (20 bits);
//   acc   = ((0 + term(first)) + term(first + 1)) + ... in block order, each addition rounded to fp32.
// So only the additions across blocks round, and a fused multiply-add gives the same bits as multiply and add.
// Tensor cores add several blocks at once in an order that is not documented; this order is ours.
#pragma once

#include <cstdint>

#include "cpu/simd.h"

namespace moe::cpu {

inline constexpr int kPanel = 16;        ///< outputs decoded together
inline constexpr int64_t kChunk = 8;     ///< blocks decoded together: 64 bytes of a weight row
/// Added to doubled weight codes so that they are unsigned bytes, as vpdpbusd and vpmaddubsw want one operand.
inline constexpr int kWeightBias = 12;
/// Decoded blocks hold their even elements first, as nibbles come out of bytes: position p is element element_at(p).
constexpr int element_at(int position) { return position < 8 ? 2 * position : 2 * position - 15; }

/// Up to kChunk blocks of 16 outputs, decoded: small enough to stay in the first-level cache while all rows use it.
struct alignas(64) Panel {
  /// [block][quarter][output][4]: doubled code + kWeightBias of positions 4 * quarter .. + 3 of the block.
  uint8_t codes[kChunk][4][kPanel][4];
  /// SF / 4.
  float scales[kChunk][kPanel];
};

/// One block of a quantized activation row.
struct ActivationBlock {
  int8_t codes[16];  ///< doubled, by position
  int32_t bias;      ///< -kWeightBias * sum of the codes
  float scale;       ///< SF
};

/// Of four blocks' scales of 16 weight rows, in the 128x4 layout: what has their bytes.
inline constexpr int64_t kCornerBytes = 16 * kPanel;

/// Asks memory for `bytes` bytes from `from` on, to the second-level cache. Inlined by force: GCC 12 takes a function that only
/// prefetches for one without effect and drops its calls; static, because files of different instruction sets include this.
[[gnu::always_inline]] static inline void fetch(const uint8_t* from, int64_t bytes) {
  constexpr int64_t kLine = 64;
  for (int64_t at = 0; at < bytes; at += kLine) __builtin_prefetch(from + at, 0, 2);
}

/// Decodes `blocks` (1..kChunk) blocks of 16 weight rows. `packed` is the first row's first byte, rows are `row_bytes` apart.
/// Codes of the panel's other blocks become undefined.
using DecodeKernel = void (*)(const uint8_t* packed, int64_t row_bytes, int64_t blocks, Panel& panel);

/// Decodes the E4M3 scales of `blocks` (1..kChunk) blocks of 16 weight rows that start at a multiple of 16, from the 128x4
/// layout (core/layout): `corner` is the byte of the first row and block, which is a multiple of 4. Whole 512-byte tiles are
/// read from `corner`'s 16-byte unit on.
using ScaleKernel = void (*)(const uint8_t* corner, int64_t blocks, Panel& panel);

/// acc[r][0..16) += terms of the panel's blocks [begin, end) in order, for each of `count` rows; the panel's block 0 meets
/// rows[r][first].
using DotKernel = void (*)(const Panel& panel, int64_t begin, int64_t end, const ActivationBlock* const* rows, int64_t first, int64_t count, float (*acc)[kPanel]);

/// Up to so many rows are multiplied as the weights are decoded; more use each decoded panel often enough to keep it in memory.
inline constexpr int64_t kFewRows = 8;
/// Blocks that FewRowsKernel takes at a time.
inline constexpr int64_t kFewBlocks = 4;

/// 16 weight rows, as DecodeKernel and ScaleKernel find them.
struct PanelSource {
  const uint8_t* packed;
  int64_t row_bytes;
  const uint8_t* corner;
  int64_t blocks;        ///< a multiple of slice_blocks
  int64_t slice_blocks;  ///< each slice is summed by itself; a multiple of kFewBlocks
  /// Where to ask memory for a later panel while this one is used, nullptr for nowhere: as many bytes of codes from
  /// `next_packed` on, in the order of memory, as the panel has (16 streams of 64 bytes each would leave the processor
  /// waiting for every one of them), and of scales from `next_corner` on.
  const uint8_t* next_packed;
  const uint8_t* next_corner;
};

/// decode, scales and dot in one, without a panel between: sums[slice][r][0..16) = terms of the slice's blocks in order, for
/// each of `count` (1..kFewRows) rows; the source's block 0 meets rows[r][0].
using FewRowsKernel = void (*)(const PanelSource& source, const ActivationBlock* const* rows, int64_t count, float (*sums)[kPanel]);

struct Kernels {
  DecodeKernel decode;
  ScaleKernel scales;
  DotKernel dot;
  FewRowsKernel few_rows;  ///< nullptr: the level has none
};

/// Kernels of a level that can_run() says true to.
const Kernels& kernels(Simd level);

namespace detail {
extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
/// The scalar form, fast enough for levels without one of their own.
void decode_scales_scalar(const uint8_t* corner, int64_t blocks, Panel& panel);
}  // namespace detail

}  // namespace moe::cpu
