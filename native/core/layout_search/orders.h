// The orders in which a block-scale tensor may be stored, and the ways its rows and codes may be turned.
#pragma once

#include <cstdint>
#include <vector>

namespace moe {

/// kLinear r*C + c; kSf128x4 the 128x4 swizzle, of which the 6D MMA tensor is a strided view over the same bytes; kSf8x4 the
/// small-M swizzle; kMma6d the 6D view (32, 4, m_tiles, 4, k_tiles, E) copied to contiguous memory, which a framework does
/// on `.contiguous()`; kTransposed c*R + r.
enum class ScaleOrder : int32_t { kLinear, kSf128x4, kSf8x4, kMma6d, kTransposed };
inline constexpr int kScaleOrders = 5;
/// "linear", "sf128x4", "sf8x4", "mma6d", "transposed".
const char* scale_order_name(ScaleOrder order);

/// Byte places of logical (plane, row, column) in one order.
class OrderPlaces {
 public:
  /// `padded`: linear or transposed with rows padded to 128 and columns to 4, as a swizzled buffer that was undone without
  /// cutting its padding; the swizzles always pad.
  OrderPlaces(ScaleOrder order, bool padded, int64_t planes, int64_t rows, int64_t columns);
  int64_t bytes() const { return planes_ * plane_bytes_; }
  int64_t at(int64_t plane, int64_t row, int64_t column) const;

 private:
  ScaleOrder order_;
  int64_t planes_, stored_rows_, stored_columns_, plane_bytes_, m_tiles_, k_tiles_;
};

/// Which of the two halves of FC1 rows ([up, gate]) lie the other way round than the logical rows say.
enum class Halves : int32_t { kAsSaid, kScalesSwapped, kWeightsSwapped, kBothSwapped };
inline constexpr int kHalves = 4;
/// "as-said", "scales-swapped", "weights-swapped", "both-swapped".
const char* halves_name(Halves halves);
constexpr bool scales_swapped(Halves halves) { return halves == Halves::kScalesSwapped || halves == Halves::kBothSwapped; }
constexpr bool weights_swapped(Halves halves) { return halves == Halves::kWeightsSwapped || halves == Halves::kBothSwapped; }

/// Row of the other half: [up, gate] against [gate, up].
constexpr int64_t swapped_row(int64_t row, int64_t rows) { return row < rows / 2 ? row + rows / 2 : row - rows / 2; }

/// One way to read the bytes. `high_first`: element 2i of the weights in the HIGH nibble.
struct LayoutCandidate {
  ScaleOrder order = ScaleOrder::kLinear;
  bool padded = false;
  Halves halves = Halves::kAsSaid;
  bool high_first = false;
  /// Bytes that this order takes; one whose bytes are not the tensor's is not possible.
  int64_t bytes = 0;
  bool possible = false;
};

}  // namespace moe
