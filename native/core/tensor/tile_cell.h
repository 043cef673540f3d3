// One cell of a tile: what is known of the elements that were reduced to it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/tensor/elements.h"

namespace moe {

struct Tile;

enum : uint8_t { kMarkZero = 1, kMarkSubnormal = 2, kMarkSaturated = 4, kMarkNaN = 8 };

/// Collects one cell: what tile(), a difference of two tensors and a pyramid share.
class TileCell {
 public:
  void add(double value, Kind kind) {
    switch (kind) {
      case Kind::kNaN: marks_ |= kMarkNaN; return;
      case Kind::kZero: marks_ |= kMarkZero; break;
      case Kind::kSubnormal: marks_ |= kMarkSubnormal; break;
      case Kind::kSaturated:
      case Kind::kInfinite: marks_ |= kMarkSaturated; break;
      case Kind::kNormal: break;
    }
    add_many(value, value, value, 1, 0);
  }
  /// `count` elements at once, none of them NaN, at least one.
  void add_many(double min, double max, double sum, uint64_t count, uint8_t marks) {
    min_ = count_ == 0 ? min : std::min(min_, min);
    max_ = count_ == 0 ? max : std::max(max_, max);
    sum_ += sum;
    count_ += count;
    marks_ |= marks;
  }
  void merge(const TileCell& other) {
    marks_ |= other.marks_;
    if (other.count_ > 0) add_many(other.min_, other.max_, other.sum_, other.count_, 0);
  }
  void store(Tile& tile, size_t index) const;

 private:
  double min_ = 0, max_ = 0, sum_ = 0;
  uint64_t count_ = 0;
  uint8_t marks_ = 0;
};

}  // namespace moe
