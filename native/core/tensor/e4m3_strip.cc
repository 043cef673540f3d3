#include "core/tensor/e4m3_strip.h"

#include <algorithm>
#include <array>

#include "core/formats/e4m3.h"

namespace moe {
namespace {

/// Codes in the order of their values: 0 is the lowest. NaN has no place in it.
uint8_t rank_of(uint8_t code) { return static_cast<uint8_t>(code < 0x80 ? code | 0x80U : ~code); }
double value_at(uint8_t rank) { return static_cast<double>(kE4m3Values[rank >= 0x80 ? rank & 0x7FU : static_cast<uint8_t>(~rank)]); }

/// Without branches, for SIMD.
uint8_t marks_of(uint8_t code) {
  const auto magnitude = static_cast<uint8_t>(code & 0x7FU);
  const auto before = static_cast<uint8_t>(magnitude - 1U);  // 0 becomes 255
  return static_cast<uint8_t>((magnitude == 0 ? kMarkZero : 0) | (before < 7 ? kMarkSubnormal : 0) | (magnitude == 0x7E ? kMarkSaturated : 0) | (magnitude == 0x7F ? kMarkNaN : 0));
}

/// E4M3 values times 2^9 are whole numbers, at most 448 * 512 < 2^18.
constexpr std::array<int32_t, 256> fixed_point() {
  std::array<int32_t, 256> table{};
  for (size_t code = 0; code < 256; ++code) {
    if (!e4m3_is_nan(static_cast<uint8_t>(code))) table[code] = static_cast<int32_t>(kE4m3Values[code] * 512.0F);
  }
  return table;
}
constexpr std::array<int32_t, 256> kFixed = fixed_point();

}  // namespace

void add_e4m3(const uint8_t* codes, int64_t count, TileCell& cell) {
  uint8_t low = 0xFF, high = 0, marks = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, rank_of(codes[i]));
    high = std::max(high, rank_of(codes[i]));
    marks |= marks_of(codes[i]);
  }
  if ((marks & kMarkNaN) != 0) {
    for (int64_t i = 0; i < count; ++i) {
      const Element element = decode_element(DType::kF8E4m3, Layout::kLinear, codes[i]);
      cell.add(element.value, element.kind);
    }
    return;
  }
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += kFixed[codes[i]];
  cell.add_many(value_at(low), value_at(high), static_cast<double>(sum) / 512.0, static_cast<uint64_t>(count), marks);
}

E4m3Strip::E4m3Strip(int64_t columns) : low_(static_cast<size_t>(columns)), high_(low_.size()), marks_(low_.size()), sums_(low_.size()) { clear(); }

void E4m3Strip::clear() {
  rows_ = 0;
  std::fill(low_.begin(), low_.end(), uint8_t{0xFF});
  std::fill(high_.begin(), high_.end(), uint8_t{0});
  std::fill(marks_.begin(), marks_.end(), uint8_t{0});
  std::fill(sums_.begin(), sums_.end(), 0);
}

void E4m3Strip::add_row(const uint8_t* codes) {
  const size_t columns = low_.size();
  uint8_t* const low = low_.data();
  uint8_t* const high = high_.data();
  uint8_t* const marks = marks_.data();
  for (size_t i = 0; i < columns; ++i) {
    const uint8_t rank = rank_of(codes[i]);
    low[i] = std::min(low[i], rank);
    high[i] = std::max(high[i], rank);
    marks[i] |= marks_of(codes[i]);
  }
  int32_t* const sums = sums_.data();
  for (size_t i = 0; i < columns; ++i) sums[i] += kFixed[codes[i]];
  ++rows_;
}

bool E4m3Strip::add_to(TileCell& cell, int64_t begin, int64_t end) const {
  uint8_t low = 0xFF, high = 0, marks = 0;
  int64_t sum = 0;
  for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
    low = std::min(low, low_[i]);
    high = std::max(high, high_[i]);
    marks |= marks_[i];
    sum += sums_[i];
  }
  if ((marks & kMarkNaN) != 0) return false;
  cell.add_many(value_at(low), value_at(high), static_cast<double>(sum) / 512.0, static_cast<uint64_t>((end - begin) * rows_), marks);
  return true;
}

}  // namespace moe
