// Random NVFP4 projections for made checkpoints, quantized by our own quantizer.
#pragma once

#include <cstdint>
#include <vector>

#include "core/parallel/parallel.h"

namespace moe {

enum class ScaleChoice : int32_t {
  /// s2 = amax / 2688 in fp32, as ModelOpt computes weight_scale_2.
  kRealistic,
  /// s2 = the smallest power of two >= amax / 2688, from 2^-14 to 1; block scales are at least 2^-6 / s2 (and 2^-6), set
  /// before the codes are chosen, so that SF and SF * s2 are both E4M3-normal and baking s2 into SF is exact.
  kPowerOfTwo,
};

struct Projection {
  std::vector<uint8_t> packed;  // [rows, columns / 2]
  std::vector<uint8_t> scale;   // E4M3 [rows, columns / 16], linear
  float s2 = 0;                 // small form
};

/// Weights ~ N(0, sigma), element (row, column) being number row * columns + column of the seed's stream (core/random),
/// quantized as Quantizer::kB12xExact does. Same arguments, same bytes, everywhere.
/// Throws `unsupported-shape` unless rows >= 1 and columns is a positive multiple of 16, `usage` unless sigma is finite and
/// positive, or where power-of-two scales cannot hold the weights (amax above 2688), `cancelled`.
Projection make_projection(int64_t rows, int64_t columns, uint64_t seed, double sigma, ScaleChoice choice, const Task& task);

}  // namespace moe
