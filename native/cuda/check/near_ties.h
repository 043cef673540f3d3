// Quantized rows against the host's, where the device's rcp.approx may decide a near tie the other way.
#pragma once

#include <cstdint>

#include "core/quantize/quantize.h"

namespace moe::cuda::checking {

/// How a path quantizes; names of core/quantize.
struct HostQuantizer {
  Quantizer quantizer;
  bool inverts_scale;  ///< 1 / scale is handed to it
  bool exact;          ///< same arithmetic as the device's, without rcp.approx: the bytes must agree
};

struct BlockDifferences {
  int64_t codes = 0;   ///< codes that a near tie explains
  int64_t wrong = 0;   ///< codes and scales that nothing explains
};

/// A block of 16 as the device quantized it against quantize_block(how.quantizer, x, scale). A difference is explained when
/// the value, computed in fp64, lies within kTieWidth of the boundary between the two neighbours; codes are judged by the
/// scale byte that the device chose.
BlockDifferences compare_block(const HostQuantizer& how, const float* x, float scale, const uint8_t* codes, uint8_t sf);

}  // namespace moe::cuda::checking
