#include "core/metrics/groups.h"

#include <cmath>
#include <limits>

#include "core/error/error.h"
#include "core/metrics/tensor_values.h"
#include "core/parallel/pool.h"

namespace moe {
namespace {

struct RowSums {
  double difference_sq = 0, a_sq = 0, b_sq = 0, product = 0;
};

}  // namespace

std::vector<GroupComparison> compare_groups(const Tensor& a, const Tensor& b, const std::vector<int32_t>& groups, int32_t count) {
  require_same_shape(a, b);
  const int64_t rows = a.planes() * a.rows;
  if (static_cast<int64_t>(groups.size()) != rows) {
    throw Error(code::kUsage, "every row needs a group", {{"subject", std::string("groups")}, {"expected", std::to_string(rows)}, {"found", std::to_string(groups.size())}});
  }
  for (const int32_t group : groups) {
    if (group < 0 || group >= count) throw Error(code::kUsage, "a row's group does not exist", {{"subject", std::string("groups")}, {"expected", "0 to " + std::to_string(count - 1)}, {"found", std::to_string(group)}});
  }
  const ValueReader read_a = value_reader(a);
  const ValueReader read_b = value_reader(b);
  std::vector<RowSums> sums(rows);
  run_tasks(rows, [&](int64_t row) {
    std::vector<double> left(a.columns);
    std::vector<double> right(a.columns);
    read_a(row * a.columns, a.columns, left.data());
    read_b(row * a.columns, a.columns, right.data());
    RowSums& sum = sums[row];
    for (int64_t i = 0; i < a.columns; ++i) {
      if (std::isnan(left[i]) || std::isnan(right[i])) continue;
      const double difference = left[i] == right[i] ? 0 : left[i] - right[i];
      sum.difference_sq += difference * difference;
      sum.a_sq += left[i] * left[i];
      sum.b_sq += right[i] * right[i];
      sum.product += left[i] * right[i];
    }
  });
  std::vector<RowSums> totals(count);
  std::vector<GroupComparison> out(count);
  for (int64_t row = 0; row < rows; ++row) {
    RowSums& total = totals[groups[row]];
    total.difference_sq += sums[row].difference_sq;
    total.a_sq += sums[row].a_sq;
    total.b_sq += sums[row].b_sq;
    total.product += sums[row].product;
    ++out[groups[row]].rows;
  }
  for (int32_t group = 0; group < count; ++group) {
    const RowSums& total = totals[group];
    out[group].difference_sq = total.difference_sq;
    if (total.difference_sq > 0) out[group].nrmse = std::sqrt(total.difference_sq) / std::sqrt(total.b_sq);
    if (total.a_sq > 0 || total.b_sq > 0) out[group].best_scale = total.b_sq > 0 ? total.product / total.b_sq : 0;
  }
  return out;
}

CodeDifferences compare_codes(const Tensor& a, const Tensor& b) {
  if (a.dtype != b.dtype || a.layout != b.layout || (a.dtype != DType::kU8 && a.dtype != DType::kF8E4m3)) {
    throw Error(code::kWrongDtype, "codes are compared between two tensors of one 8-bit type", {{"subject", a.name}, {"expected", std::string(dtype_name(a.dtype))}, {"found", std::string(dtype_name(b.dtype))}});
  }
  require_same_shape(a, b);
  a.backing->ensure_readable();
  b.backing->ensure_readable();
  CodeDifferences out;
  const bool fp4 = a.layout == Layout::kFp4;
  out.elements = static_cast<int64_t>(a.bytes) * (fp4 ? 2 : 1);
  for (uint64_t i = 0; i < a.bytes; ++i) {
    const auto different = static_cast<uint8_t>(a.data[i] ^ b.data[i]);
    if (!fp4) out.differing += different != 0 ? 1 : 0;
    else out.differing += ((different & 15U) != 0 ? 1 : 0) + (different > 15 ? 1 : 0);
  }
  return out;
}

}  // namespace moe
