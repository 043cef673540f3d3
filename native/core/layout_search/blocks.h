// The blocks that a search looks at, and what is known of them before any order of their scales is tried.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/layout_search/search.h"

namespace moe {

inline constexpr int64_t kBlockElements = 16;

struct SampledRow {
  int64_t plane, row;
};

/// Whole rows, since row means are taken out: all, or so many that `limit` blocks are looked at. The choice is spread
/// evenly by the golden ratio, not by a stride, which could fall in step with a swizzle.
std::vector<SampledRow> sample_rows(int64_t planes, int64_t rows, int64_t columns, int64_t limit, int64_t only_plane = -1);

/// The 16 code values of a block, nibbles in either order.
std::array<float, kBlockElements> block_values(const Tensor& codes, int64_t plane, int64_t row, int64_t column, bool high_first);

/// |value| of every E4M3 code as a number to multiply with (NaN codes as 0), and its natural logarithm, where zero and NaN
/// take half the smallest step: a finite logarithm for scales that underflowed.
const std::array<float, 256>& scale_values();
const std::array<float, 256>& scale_logs();

}  // namespace moe
