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

inline constexpr int kPanel = 16;  ///< outputs decoded together
inline constexpr int kMaxRows = 4;  ///< activation rows of one call of DotKernel
/// Added to doubled weight codes so that they are unsigned bytes, as vpdpbusd and vpmaddubsw want one operand.
inline constexpr int kWeightBias = 12;

/// 16 outputs of one expert, decoded.
struct Panel {
  /// [blocks][4][16 outputs][4] bytes: doubled code + kWeightBias of element 4 * i + j of the block.
  uint8_t* codes;
  /// [blocks][16 outputs]: SF / 4.
  float* scales;
};

/// One quantized activation row, prepared for the kernels.
struct ActivationRow {
  const int8_t* codes;   ///< [K] doubled codes
  const int32_t* bias;   ///< [K/16] -kWeightBias * sum of the block's codes
  const float* scales;   ///< [K/16] SF
};

/// Decodes `blocks` blocks of 16 weight rows. `packed` is the first row's first byte, rows are `row_bytes` apart.
using DecodeKernel = void (*)(const uint8_t* packed, int64_t row_bytes, int64_t blocks, uint8_t* codes);

/// out[r][0..16) = acc over blocks [first, last) for each of `rows` (1..kMaxRows) rows.
using DotKernel = void (*)(const Panel& panel, int64_t first, int64_t last, const ActivationRow* rows, int count, float (*out)[kPanel]);

struct Kernels {
  DecodeKernel decode;
  DotKernel dot;
};

/// Kernels of a level that can_run() says true to.
const Kernels& kernels(Simd level);

namespace detail {
extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
}  // namespace detail

}  // namespace moe::cpu
