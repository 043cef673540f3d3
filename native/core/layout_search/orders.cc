#include "core/layout_search/orders.h"

#include <array>
#include <cstddef>

#include "core/layout/scale_layout.h"

namespace moe {
namespace {

constexpr std::array<const char*, kScaleOrders> kOrderNames = {"linear", "sf128x4", "sf8x4", "mma6d", "transposed"};
constexpr std::array<const char*, kHalves> kHalvesNames = {"as-said", "scales-swapped", "weights-swapped", "both-swapped"};

}  // namespace

const char* scale_order_name(ScaleOrder order) { return kOrderNames[static_cast<std::size_t>(order)]; }
const char* halves_name(Halves halves) { return kHalvesNames[static_cast<std::size_t>(halves)]; }

OrderPlaces::OrderPlaces(ScaleOrder order, bool padded, int64_t planes, int64_t rows, int64_t columns)
    : order_(order),
      planes_(planes),
      stored_rows_(padded ? round_up(rows, 128) : rows),
      stored_columns_(padded ? round_up(columns, 4) : columns),
      plane_bytes_(stored_rows_ * stored_columns_),
      m_tiles_(ceil_div(rows, 128)),
      k_tiles_(ceil_div(columns, 4)) {
  if (order == ScaleOrder::kSf128x4 || order == ScaleOrder::kMma6d) plane_bytes_ = Swizzled128x4(rows, columns).bytes();
  if (order == ScaleOrder::kSf8x4) plane_bytes_ = Swizzled8x4(rows, columns).bytes();
}

int64_t OrderPlaces::at(int64_t plane, int64_t row, int64_t column) const {
  switch (order_) {
    case ScaleOrder::kLinear: return plane * plane_bytes_ + linear_offset(row, column, stored_columns_);
    case ScaleOrder::kSf128x4: return plane * plane_bytes_ + offset_128x4(row, column, k_tiles_);
    case ScaleOrder::kSf8x4: return plane * plane_bytes_ + offset_8x4(row, column, k_tiles_);
    case ScaleOrder::kTransposed: return plane * plane_bytes_ + linear_offset(column, row, stored_rows_);
    case ScaleOrder::kMma6d: break;
  }
  const std::array<int64_t, 6> index = mma6d_index(plane, row, column);
  const std::array<int64_t, 6> extents = {32, 4, m_tiles_, 4, k_tiles_, planes_};
  int64_t place = 0;
  for (std::size_t i = 0; i < extents.size(); ++i) place = place * extents[i] + index[i];
  return place;
}

}  // namespace moe
