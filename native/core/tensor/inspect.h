// What the inspector asks of a tensor: tiles, histograms, statistics, one element with all its addresses, hashes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/parallel/parallel.h"
#include "core/tensor/elements.h"
#include "core/tensor/tensor.h"
#include "core/tensor/tile_cell.h"

namespace moe {

/// Rectangle of one plane in LOGICAL rows and columns, reduced to out_rows x out_columns cells; cell i covers rows
/// [row0 + i * rows / out_rows, row0 + (i + 1) * rows / out_rows).
struct TileRequest {
  int64_t plane = 0, row0 = 0, rows = 0, column0 = 0, columns = 0, out_rows = 0, out_columns = 0;
};

/// [out_rows * out_columns] each. NaN elements are left out of min, max and mean (NaN where nothing else is there) and
/// set kMarkNaN; infinities count as saturated.
struct Tile {
  int64_t out_rows = 0, out_columns = 0;
  std::vector<float> min, max, mean;
  std::vector<uint8_t> marks;
};

struct TensorStats {
  uint64_t count = 0;
  double min = 0, max = 0, mean = 0, rms = 0;  // over the elements that are not NaN; NaN when there are none
  uint64_t zero = 0, subnormal = 0, saturated = 0, nan = 0;
};

struct Pick {
  int64_t plane = 0, row = 0, column = 0;
  /// Element index in a linear unpadded tensor: (plane * rows + row) * columns + column.
  int64_t linear_offset = 0;
  /// Scale tensors (F8_E4M3) only: byte offset in 128x4 storage, plane included, and the index of the 6D MMA view.
  std::optional<int64_t> swizzled_offset;
  std::array<int64_t, 6> mma6d{};
  Element element{};
};

/// Checks a rectangle against a tensor of that many planes, rows, columns. Throws `out-of-bounds`, or `usage` where
/// out_rows or out_columns is not from 1 to rows or columns.
void check_tile(const TileRequest& request, int64_t planes, int64_t rows, int64_t columns, const std::string& name);

/// An empty tile of the request's size.
Tile new_tile(const TileRequest& request);

/// Large planes are read through their pyramid (core/tensor/pyramid.h), which the first such tile makes.
Tile tile(const Tensor& tensor, const TileRequest& request, const Task& task);
/// Counts by code: 256 for E4M3 and U8, 16 for fp4; for wider types 64 bins floor(log2 |x|) + 40, clamped to 0..63 (zero
/// in bin 0, infinity in bin 63, NaN left out). Plane -1 = all. Padding is not counted.
std::vector<double> histogram(const Tensor& tensor, int64_t plane, const Task& task);
/// Per plane, over the unpadded elements.
std::vector<TensorStats> stats(const Tensor& tensor, const Task& task);
/// Throws `out-of-bounds`.
Pick pick(const Tensor& tensor, int64_t plane, int64_t row, int64_t column);
/// SHA-256 (hex) of each plane's storage bytes, padding included.
std::vector<std::string> plane_hashes(const Tensor& tensor, const Task& task);

}  // namespace moe
