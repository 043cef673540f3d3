// What the blocks of an NVFP4 tensor look like, counted by their scale byte: everything the hazard detector asks about
// stored, merged and baked block scales follows from these counts, since each depends on a block's scale byte alone.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/parallel/parallel.h"
#include "core/tensor/tensor.h"

namespace moe {

/// One plane (expert). Indexed by scale byte.
struct BlockCensus {
  /// [byte * 8 + m]: blocks of 16 codes whose largest magnitude is E2M1 code m (7 = 6.0); m = 0: every code is +-0, so the
  /// block is zero whatever its scale says. Without codes every block counts as m = 7.
  std::array<uint64_t, 256 * 8> blocks{};
  /// Sum over a byte's blocks of the 16 squared codes, in quarters ((2 * value)^2): the block's energy without its scale.
  /// 0 without codes.
  std::array<uint64_t, 256> energy{};
};

/// Counts rows [row0, row0 + rows) of every plane. `scales`: F8_E4M3, kLinear [E, R, C] or kSf128x4, padding left out;
/// `codes`: kFp4 with the same planes and rows and 16 * C columns, or nullptr. Progress counts planes.
/// Throws `usage` for a tensor that is no scale tensor or rows outside it, `wrong-shape` where codes do not fit, `cancelled`.
std::vector<BlockCensus> block_census(const Tensor& scales, const Tensor* codes, int64_t row0, int64_t rows, const Task& task);

/// How much of the variance of log2(scale) the rows and columns of a plane explain, R^2 in 0..1, when the same bytes are read
/// as linear and as 128x4 tiles. Real weights have loud rows and columns, so the true order explains more; bytes of independent
/// blocks explain (R + C - 2) / (R * C - 1) either way. Zero scales are left out.
struct LayoutEvidence {
  double linear = 0;
  double tiled = 0;
  /// What independent blocks explain: (R + C - 2) / (n - 1).
  double chance = 0;
};

/// Per plane of a kLinear F8_E4M3 tensor, rows [row0, row0 + rows). Empty where the bytes cannot be 128x4 tiles without padding
/// (rows no multiple of 128, or columns no multiple of 4): another length would have been refused when it was opened.
std::vector<LayoutEvidence> layout_evidence(const Tensor& scales, int64_t row0, int64_t rows, const Task& task);

}  // namespace moe
