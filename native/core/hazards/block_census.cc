#include "core/hazards/block_census.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error/error.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/layout/scale_layout.h"

namespace moe {
namespace {

constexpr int64_t kBlock = 16;

void check_scales(const Tensor& scales, int64_t row0, int64_t rows) {
  if (scales.dtype != DType::kF8E4m3 || (scales.layout != Layout::kLinear && scales.layout != Layout::kSf128x4)) {
    throw Error(code::kUsage, scales.name + " is not a block-scale tensor", {{"subject", scales.name}, {"expected", std::string("F8_E4M3, linear or sf128x4")}});
  }
  if (row0 < 0 || rows < 1 || row0 > scales.rows - rows) {
    throw Error(code::kUsage, "rows " + std::to_string(row0) + " to " + std::to_string(row0 + rows) + " are not in " + scales.name, {{"subject", std::string("rows")}, {"expected", "0 to " + std::to_string(scales.rows)}});
  }
}

/// Two codes a byte: the larger magnitude and the sum of both squares in quarters.
struct PairTable {
  std::array<uint8_t, 256> largest{};
  std::array<uint16_t, 256> energy{};
  constexpr PairTable() {
    for (unsigned byte = 0; byte < 256; ++byte) {
      const unsigned low = byte & 7U;
      const unsigned high = byte >> 4U & 7U;
      largest[byte] = static_cast<uint8_t>(low > high ? low : high);
      energy[byte] = static_cast<uint16_t>(kE2m1Halves[low] * kE2m1Halves[low] + kE2m1Halves[high] * kE2m1Halves[high]);
    }
  }
};
constexpr PairTable kPairs;

BlockCensus count_plane(const Tensor& scales, const Tensor* codes, int64_t plane, int64_t row0, int64_t rows) {
  BlockCensus out;
  const int64_t columns = scales.columns;
  const Swizzled128x4 tiles(scales.rows, columns);
  const uint8_t* base = scales.plane(plane);
  for (int64_t row = row0; row < row0 + rows; ++row) {
    const uint8_t* packed = codes == nullptr ? nullptr : codes->plane(plane) + row * columns * (kBlock / 2);
    for (int64_t column = 0; column < columns; ++column) {
      const uint8_t byte = base[scales.layout == Layout::kLinear ? linear_offset(row, column, columns) : tiles.offset(row, column)];
      if (packed == nullptr) {
        ++out.blocks[byte * 8U + 7U];
        continue;
      }
      uint8_t largest = 0;
      uint32_t energy = 0;
      for (int64_t i = 0; i < kBlock / 2; ++i) {
        const uint8_t pair = packed[column * (kBlock / 2) + i];
        largest = std::max(largest, kPairs.largest[pair]);
        energy += kPairs.energy[pair];
      }
      ++out.blocks[byte * 8U + largest];
      out.energy[byte] += energy;
    }
  }
  return out;
}

/// R^2 of the additive model row + column for values at `offset(row, column)`; rows and columns as means of what is there.
template <class Offset>
double explained(const uint8_t* base, int64_t rows, int64_t columns, Offset offset) {
  std::vector<double> row_sum(static_cast<size_t>(rows)), column_sum(static_cast<size_t>(columns));
  std::vector<int64_t> row_count(row_sum.size()), column_count(column_sum.size());
  double sum = 0;
  double squares = 0;
  int64_t count = 0;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const float value = e4m3_decode(base[offset(row, column)]);
      if (!(value > 0)) continue;
      const double x = std::log2(static_cast<double>(value));
      row_sum[static_cast<size_t>(row)] += x;
      column_sum[static_cast<size_t>(column)] += x;
      ++row_count[static_cast<size_t>(row)];
      ++column_count[static_cast<size_t>(column)];
      sum += x;
      squares += x * x;
      ++count;
    }
  }
  if (count < 2) return 0;
  const double mean = sum / static_cast<double>(count);
  const double total = squares - sum * mean;
  if (!(total > 0)) return 0;
  const auto between = [&](const std::vector<double>& sums, const std::vector<int64_t>& counts) {
    double found = 0;
    for (size_t i = 0; i < sums.size(); ++i) {
      if (counts[i] == 0) continue;
      const double deviation = sums[i] / static_cast<double>(counts[i]) - mean;
      found += static_cast<double>(counts[i]) * deviation * deviation;
    }
    return found;
  };
  return std::min(1.0, (between(row_sum, row_count) + between(column_sum, column_count)) / total);
}

}  // namespace

std::vector<BlockCensus> block_census(const Tensor& scales, const Tensor* codes, int64_t row0, int64_t rows, const Task& task) {
  check_scales(scales, row0, rows);
  if (codes != nullptr && (codes->layout != Layout::kFp4 || codes->planes() != scales.planes() || codes->rows != scales.rows || codes->columns != scales.columns * kBlock)) {
    throw Error(code::kWrongShape, codes->name + " does not have 16 codes for every scale of " + scales.name,
                {{"subject", codes->name}, {"expected", shape_text({scales.planes(), scales.rows, scales.columns * kBlock})}, {"found", shape_text({codes->planes(), codes->rows, codes->columns})}});
  }
  scales.backing->ensure_readable();
  if (codes != nullptr) codes->backing->ensure_readable();
  std::vector<BlockCensus> out(static_cast<size_t>(scales.planes()));
  parallel_for(scales.planes(), task, [&](int64_t plane) { out[static_cast<size_t>(plane)] = count_plane(scales, codes, plane, row0, rows); });
  return out;
}

std::vector<LayoutEvidence> layout_evidence(const Tensor& scales, int64_t row0, int64_t rows, const Task& task) {
  check_scales(scales, row0, rows);
  const int64_t columns = scales.columns;
  if (scales.layout != Layout::kLinear || rows % 128 != 0 || columns % 4 != 0) return {};
  scales.backing->ensure_readable();
  const Swizzled128x4 tiles(rows, columns);
  std::vector<LayoutEvidence> out(static_cast<size_t>(scales.planes()));
  parallel_for(scales.planes(), task, [&](int64_t plane) {
    const uint8_t* base = scales.plane(plane) + row0 * columns;
    LayoutEvidence& found = out[static_cast<size_t>(plane)];
    found.linear = explained(base, rows, columns, [&](int64_t row, int64_t column) { return linear_offset(row, column, columns); });
    found.tiled = explained(base, rows, columns, [&](int64_t row, int64_t column) { return tiles.offset(row, column); });
    found.chance = static_cast<double>(rows + columns - 2) / static_cast<double>(rows * columns - 1);
  });
  return out;
}

}  // namespace moe
