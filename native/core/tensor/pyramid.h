// Minimum, maximum, sum and marks of blocks of one plane, and of blocks of blocks: a tile of a plane of 1e8 elements then
// reads a few blocks a cell instead of every element.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/parallel/parallel.h"
#include "core/tensor/elements.h"
#include "core/tensor/tensor.h"
#include "core/tensor/tile_cell.h"

namespace moe {

/// Rectangle of elements, ends exclusive.
struct ElementRect {
  int64_t row_begin, row_end, column_begin, column_end;
  bool empty() const { return row_begin >= row_end || column_begin >= column_end; }
};

class Pyramid {
 public:
  /// Reads every element of the plane once, over threads. The finest blocks hold 256 elements; their shape follows the
  /// plane's (16x16 for a square one), as the shape of a cell does in a fitted view. Throws `cancelled`.
  Pyramid(const Tensor& tensor, int64_t plane, const Task& task);

  /// Adds the elements of `rect` to `cell`: whole blocks from the coarsest level that fits, the rest from `reader`.
  void reduce(const PlaneReader& reader, const ElementRect& rect, TileCell& cell) const;

  uint64_t bytes() const;
  int64_t block_rows() const { return int64_t{1} << row_shift_; }
  int64_t block_columns() const { return int64_t{1} << column_shift_; }

 private:
  struct Level {
    int64_t rows = 0, columns = 0;
    std::vector<TileCell> cells;
  };
  void scan(const Tensor& tensor, int64_t plane, const Task& task);
  void add_level();
  void reduce_from(int level, const PlaneReader& reader, const ElementRect& rect, TileCell& cell) const;

  int64_t rows_, columns_;
  int row_shift_ = 0, column_shift_ = 0;
  std::vector<Level> levels_;
};

/// The pyramid of a plane, made when first asked for and kept while the tensor's storage lives and the cache has room
/// (96 MiB in all, least recently used first out). Null for a plane that is read faster directly (below 2^18 elements) and
/// for a tensor without a backing. Two callers at once: one makes it, the other waits.
std::shared_ptr<const Pyramid> pyramid_of(const Tensor& tensor, int64_t plane, const Task& task);

/// The same where it has been made already, else null at once.
std::shared_ptr<const Pyramid> ready_pyramid(const Tensor& tensor, int64_t plane);

/// Adds the elements of `rect` to `cell`, read one by one.
void add_elements(const PlaneReader& reader, const ElementRect& rect, TileCell& cell);

}  // namespace moe
