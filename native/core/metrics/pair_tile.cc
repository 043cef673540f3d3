#include "core/metrics/pair_tile.h"

#include <cmath>

#include "core/metrics/tensor_values.h"

namespace moe {
namespace {

Kind kind_of(double value) {
  if (std::isnan(value)) return Kind::kNaN;
  if (std::isinf(value)) return Kind::kInfinite;
  return value == 0 ? Kind::kZero : Kind::kNormal;
}

/// Calls visit(row of cells, cell, a, b) for every element of the rectangle, rows of cells spread over threads.
template <class Visit, class Finish>
void visit_cells(const Tensor& a, const Tensor& b, const TileRequest& request, const Task& task, const Visit& visit, const Finish& finish) {
  require_same_shape(a, b);
  check_tile(request, a.planes(), a.rows, a.columns, a.name);
  a.backing->ensure_readable();
  b.backing->ensure_readable();
  parallel_for(request.out_rows, task, [&](int64_t cell_row) {
    const PlaneReader left(a, request.plane);
    const PlaneReader right(b, request.plane);
    const int64_t row_end = request.row0 + (cell_row + 1) * request.rows / request.out_rows;
    for (int64_t cell_column = 0; cell_column < request.out_columns; ++cell_column) {
      const int64_t column_end = request.column0 + (cell_column + 1) * request.columns / request.out_columns;
      const auto index = static_cast<size_t>(cell_row * request.out_columns + cell_column);
      for (int64_t row = request.row0 + cell_row * request.rows / request.out_rows; row < row_end; ++row) {
        for (int64_t column = request.column0 + cell_column * request.columns / request.out_columns; column < column_end; ++column) {
          visit(index, left.at(row, column).value, right.at(row, column).value);
        }
      }
      finish(index);
    }
  });
}

}  // namespace

Tile difference_tile(const Tensor& a, const Tensor& b, const TileRequest& request, const Task& task) {
  Tile magnitude = new_tile(request);
  Tile sign = new_tile(request);
  std::vector<TileCell> magnitudes(magnitude.marks.size());
  std::vector<TileCell> signs(magnitude.marks.size());
  visit_cells(
      a, b, request, task,
      [&](size_t cell, double x, double y) {
        const double difference = x == y ? 0 : x - y;  // equal infinities are equal
        magnitudes[cell].add(std::fabs(difference), kind_of(difference));
        signs[cell].add(difference, kind_of(difference));
      },
      [&](size_t cell) {
        magnitudes[cell].store(magnitude, cell);
        signs[cell].store(sign, cell);
      });
  magnitude.mean = std::move(sign.mean);
  return magnitude;
}

Tile ratio_tile(const Tensor& a, const Tensor& b, const TileRequest& request, const Task& task) {
  Tile out = new_tile(request);
  std::vector<TileCell> cells(out.marks.size());
  visit_cells(
      a, b, request, task, [&](size_t cell, double x, double y) { cells[cell].add(x / y, kind_of(x / y)); },
      [&](size_t cell) { cells[cell].store(out, cell); });
  return out;
}

}  // namespace moe
