// E4M3 codes reduced many at a time: extremes, sum and marks of a run of neighbours, and of rows one below the other.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor/tile_cell.h"

namespace moe {

/// Adds `count` neighbours of one row to `cell`.
void add_e4m3(const uint8_t* codes, int64_t count, TileCell& cell);

/// Rows laid one below the other and reduced column by column, which compilers turn into byte-wide SIMD; only then are
/// columns put together to cells. Reducing each run of 16 codes by itself costs four times as much.
class E4m3Strip {
 public:
  /// Of up to 8192 rows: sums are exact in 32 bits.
  explicit E4m3Strip(int64_t columns);

  /// Forgets the rows.
  void clear();
  void add_row(const uint8_t* codes);
  /// Adds columns [begin, end) of all rows to `cell`. False, and nothing is added, where one of them is NaN.
  bool add_to(TileCell& cell, int64_t begin, int64_t end) const;

 private:
  int64_t rows_ = 0;
  std::vector<uint8_t> low_, high_, marks_;  // by column; extremes as places in the order of values
  std::vector<int32_t> sums_;                // times 2^9
};

}  // namespace moe
