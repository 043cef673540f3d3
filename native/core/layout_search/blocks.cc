#include "core/layout_search/blocks.h"

#include <algorithm>
#include <cmath>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/tensor/elements.h"

namespace moe {

std::vector<SampledRow> sample_rows(int64_t planes, int64_t rows, int64_t columns, int64_t limit, int64_t only_plane) {
  const int64_t first = only_plane < 0 ? 0 : only_plane * rows;
  const int64_t total = only_plane < 0 ? planes * rows : rows;
  const int64_t wanted = std::max<int64_t>(1, std::min(total, limit / std::max<int64_t>(1, columns)));
  std::vector<SampledRow> out;
  out.reserve(static_cast<size_t>(wanted));
  for (int64_t i = 0; i < total && static_cast<int64_t>(out.size()) < wanted; ++i) {
    // frac(i * phi) < wanted / total keeps that share, evenly spread.
    const double place = static_cast<double>(i) * 0.6180339887498949;
    if (wanted < total && place - std::floor(place) >= static_cast<double>(wanted) / static_cast<double>(total)) continue;
    const int64_t row = first + i;
    out.push_back({row / rows, row % rows});
  }
  return out;
}

std::array<float, kBlockElements> block_values(const Tensor& codes, int64_t plane, int64_t row, int64_t column, bool high_first) {
  const uint8_t* packed = codes.plane(plane) + row * codes.shape.back() + column * kBlockElements / 2;
  std::array<float, kBlockElements> values{};
  for (int64_t i = 0; i < kBlockElements; ++i) values[static_cast<size_t>(i)] = e2m1_decode(fp4_at(packed, high_first ? i ^ 1 : i));
  return values;
}

const std::array<float, 256>& scale_values() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> values{};
    for (size_t code = 0; code < 256; ++code) values[code] = (code & 0x7FU) == 0x7FU ? 0.0F : std::abs(kE4m3Values[code]);
    return values;
  }();
  return table;
}

const std::array<float, 256>& scale_logs() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> values{};
    for (size_t code = 0; code < 256; ++code) values[code] = std::log(std::max(scale_values()[code], kE4m3MinSubnormal / 2));
    return values;
  }();
  return table;
}

}  // namespace moe
