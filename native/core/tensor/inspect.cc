#include "core/tensor/inspect.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "core/error/error.h"
#include "core/layout/scale_layout.h"
#include "core/tensor/pyramid.h"
#include "core/tensor/sha256.h"

namespace moe {
namespace {

[[noreturn]] void out_of_bounds(const std::string& name, const std::string& found, const std::string& expected) {
  throw Error(code::kOutOfBounds, name + ": " + found + " is outside " + expected, {{"subject", name}, {"expected", expected}, {"found", found}});
}

void check_plane(const Tensor& tensor, int64_t plane) {
  if (plane < 0 || plane >= tensor.planes()) out_of_bounds(tensor.name, "plane " + std::to_string(plane), std::to_string(tensor.planes()) + " planes");
}

void ensure(const Tensor& tensor) {
  if (tensor.backing) tensor.backing->ensure_readable();
}

/// Counts of each code of one plane, padding left out.
std::vector<uint64_t> count_codes(const Tensor& tensor, int64_t plane) {
  std::vector<uint64_t> counts(256, 0);
  const PlaneReader reader(tensor, plane);
  // Four tables: neighbours often have the same code, and adding to one place again waits for the store before.
  std::array<std::array<uint64_t, 256>, 4> tables{};
  std::vector<uint8_t> codes(static_cast<size_t>(tensor.columns) + 4);
  for (int64_t row = 0; row < tensor.rows; ++row) {
    reader.row_codes(row, tensor.columns, codes.data());
    int64_t column = 0;
    for (; column + 4 <= tensor.columns; column += 4) {
      for (size_t lane = 0; lane < 4; ++lane) ++tables[lane][codes[static_cast<size_t>(column) + lane]];
    }
    for (; column < tensor.columns; ++column) ++tables[0][codes[static_cast<size_t>(column)]];
  }
  for (const auto& table : tables) {
    for (size_t code = 0; code < 256; ++code) counts[code] += table[code];
  }
  counts.resize(static_cast<size_t>(code_count(tensor)));
  return counts;
}

/// Running statistics of weighted values.
class Accumulator {
 public:
  void add(const Element& element, uint64_t times) {
    if (times == 0) return;
    out_.count += times;
    if (element.kind == Kind::kNaN) {
      out_.nan += times;
      return;
    }
    if (element.kind == Kind::kZero) out_.zero += times;
    if (element.kind == Kind::kSubnormal) out_.subnormal += times;
    if (element.kind == Kind::kSaturated || element.kind == Kind::kInfinite) out_.saturated += times;
    out_.min = std::min(out_.min, element.value);
    out_.max = std::max(out_.max, element.value);
    const auto weight = static_cast<double>(times);
    sum_ += element.value * weight;
    squares_ += element.value * element.value * weight;
  }
  TensorStats finish() {
    const auto seen = static_cast<double>(out_.count - out_.nan);
    if (seen == 0) out_.min = out_.max = std::numeric_limits<double>::quiet_NaN();
    out_.mean = sum_ / seen;  // NaN when nothing was seen
    out_.rms = std::sqrt(squares_ / seen);
    return out_;
  }

 private:
  TensorStats out_{0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 0, 0, 0, 0, 0, 0};
  double sum_ = 0, squares_ = 0;
};

constexpr int kLogBins = 64;
constexpr int kLogBinZero = 40;  // bin of [1, 2)

size_t log_bin(const Element& element) {
  if (element.kind == Kind::kZero) return 0;
  if (element.kind == Kind::kInfinite) return kLogBins - 1;
  return static_cast<size_t>(std::clamp(std::ilogb(element.value) + kLogBinZero, 0, kLogBins - 1));
}

}  // namespace

void check_tile(const TileRequest& r, int64_t planes, int64_t rows, int64_t columns, const std::string& name) {
  if (r.plane < 0 || r.plane >= planes) out_of_bounds(name, "plane " + std::to_string(r.plane), std::to_string(planes) + " planes");
  const bool inside = r.row0 >= 0 && r.rows >= 1 && r.row0 <= rows - r.rows && r.column0 >= 0 && r.columns >= 1 && r.column0 <= columns - r.columns;
  if (!inside) {
    out_of_bounds(name, "rectangle of " + shape_text({r.rows, r.columns}) + " at " + shape_text({r.row0, r.column0}), "rows and columns " + shape_text({rows, columns}));
  }
  if (r.out_rows < 1 || r.out_rows > r.rows || r.out_columns < 1 || r.out_columns > r.columns) {
    throw Error(code::kUsage, name + ": a tile of " + shape_text({r.out_rows, r.out_columns}) + " cells does not fit the rectangle " + shape_text({r.rows, r.columns}),
                {{"subject", name}, {"expected", std::string("from 1 cell to one an element")}, {"found", shape_text({r.out_rows, r.out_columns})}});
  }
}

void TileCell::store(Tile& out, size_t index) const {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  out.min[index] = count_ == 0 ? nan : static_cast<float>(min_);
  out.max[index] = count_ == 0 ? nan : static_cast<float>(max_);
  out.mean[index] = count_ == 0 ? nan : static_cast<float>(sum_ / static_cast<double>(count_));
  out.marks[index] = marks_;
}

Tile new_tile(const TileRequest& request) {
  const auto cells = static_cast<size_t>(request.out_rows * request.out_columns);
  return {request.out_rows, request.out_columns, std::vector<float>(cells), std::vector<float>(cells), std::vector<float>(cells), std::vector<uint8_t>(cells)};
}

Tile tile(const Tensor& tensor, const TileRequest& request, const Task& task) {
  check_tile(request, tensor.planes(), tensor.rows, tensor.columns, tensor.name);
  ensure(tensor);
  Tile out = new_tile(request);
  const PlaneReader reader(tensor, request.plane);
  // Below 256 elements a cell no block of the pyramid is whole: the elements themselves are read. A tile that is read in
  // a few milliseconds does not wait for a pyramid that is still being made, so the first ones are there at once.
  const int64_t elements = request.rows * request.columns;
  const bool reduced = elements >= 256 * request.out_rows * request.out_columns;
  const bool large = elements > (int64_t{1} << 21);
  const std::shared_ptr<const Pyramid> pyramid = !reduced ? nullptr : large ? pyramid_of(tensor, request.plane, task) : ready_pyramid(tensor, request.plane);
  parallel_for(request.out_rows, task, [&](int64_t cell_row) {
    const int64_t row_begin = request.row0 + cell_row * request.rows / request.out_rows;
    const int64_t row_end = request.row0 + (cell_row + 1) * request.rows / request.out_rows;
    for (int64_t cell_column = 0; cell_column < request.out_columns; ++cell_column) {
      const int64_t column_begin = request.column0 + cell_column * request.columns / request.out_columns;
      const int64_t column_end = request.column0 + (cell_column + 1) * request.columns / request.out_columns;
      TileCell cell;
      if (pyramid) {
        pyramid->reduce(reader, {row_begin, row_end, column_begin, column_end}, cell);
      } else {
        add_elements(reader, {row_begin, row_end, column_begin, column_end}, cell);
      }
      cell.store(out, static_cast<size_t>(cell_row * request.out_columns + cell_column));
    }
  });
  return out;
}

std::vector<double> histogram(const Tensor& tensor, int64_t plane, const Task& task) {
  if (plane != -1) check_plane(tensor, plane);
  ensure(tensor);
  const int32_t codes = code_count(tensor);
  std::vector<double> counts(static_cast<size_t>(codes > 0 ? codes : kLogBins), 0.0);
  std::mutex mutex;
  const int64_t first = plane == -1 ? 0 : plane;
  parallel_for(plane == -1 ? tensor.planes() : 1, task, [&](int64_t step) {
    std::vector<uint64_t> own;
    if (codes > 0) {
      own = count_codes(tensor, first + step);
    } else {
      own.assign(kLogBins, 0);
      const PlaneReader reader(tensor, first + step);
      for (int64_t row = 0; row < tensor.rows; ++row) {
        for (int64_t column = 0; column < tensor.columns; ++column) {
          const Element element = reader.at(row, column);
          if (element.kind != Kind::kNaN) ++own[log_bin(element)];
        }
      }
    }
    const std::lock_guard lock(mutex);
    for (size_t i = 0; i < own.size(); ++i) counts[i] += static_cast<double>(own[i]);
  });
  return counts;
}

std::vector<TensorStats> stats(const Tensor& tensor, const Task& task) {
  ensure(tensor);
  std::vector<TensorStats> out(static_cast<size_t>(tensor.planes()));
  parallel_for(tensor.planes(), task, [&](int64_t plane) {
    Accumulator accumulator;
    if (const int32_t codes = code_count(tensor); codes > 0) {
      const std::vector<uint64_t> counts = count_codes(tensor, plane);
      const Element* table = code_table(tensor);
      for (int32_t c = 0; c < codes; ++c) accumulator.add(table[c], counts[static_cast<size_t>(c)]);
    } else {
      const PlaneReader reader(tensor, plane);
      for (int64_t row = 0; row < tensor.rows; ++row) {
        for (int64_t column = 0; column < tensor.columns; ++column) accumulator.add(reader.at(row, column), 1);
      }
    }
    out[static_cast<size_t>(plane)] = accumulator.finish();
  });
  return out;
}

Pick pick(const Tensor& tensor, int64_t plane, int64_t row, int64_t column) {
  check_plane(tensor, plane);
  if (row < 0 || row >= tensor.rows || column < 0 || column >= tensor.columns) {
    out_of_bounds(tensor.name, "element " + shape_text({row, column}), "rows and columns " + shape_text({tensor.rows, tensor.columns}));
  }
  ensure(tensor);
  Pick out;
  out.plane = plane;
  out.row = row;
  out.column = column;
  out.linear_offset = (plane * tensor.rows + row) * tensor.columns + column;
  if (tensor.dtype == DType::kF8E4m3) {
    const Swizzled128x4 layout(tensor.rows, tensor.columns);
    out.swizzled_offset = plane * layout.bytes() + layout.offset(row, column);
    out.mma6d = mma6d_index(plane, row, column);
  }
  out.element = PlaneReader(tensor, plane).at(row, column);
  return out;
}

std::vector<std::string> plane_hashes(const Tensor& tensor, const Task& task) {
  ensure(tensor);
  std::vector<std::string> out(static_cast<size_t>(tensor.planes()));
  parallel_for(tensor.planes(), task, [&](int64_t plane) { out[static_cast<size_t>(plane)] = sha256_hex(tensor.plane(plane), tensor.plane_bytes()); });
  return out;
}

}  // namespace moe
