// Comparisons that leave the elements in groups (experts), and comparisons of stored codes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor/tensor.h"

namespace moe {

struct GroupComparison {
  int64_t rows = 0;
  double nrmse = 0;         ///< ||a - b|| / ||b|| over the group's rows; infinite when b is zero and a is not
  double best_scale = 1;    ///< <a, b> / <b, b>; 0 when b is zero and a is not
  double difference_sq = 0; ///< its part of the squared error
};

/// compare() by groups of rows: row r of the tensors (all dimensions but the last) belongs to groups[r], 0 <= group < count.
/// Elements that are NaN on either side are left out. @throws Error `wrong-shape`, `usage`
std::vector<GroupComparison> compare_groups(const Tensor& a, const Tensor& b, const std::vector<int32_t>& groups, int32_t count);

struct CodeDifferences {
  int64_t elements = 0, differing = 0;
};

/// Stored codes that differ: FP4 codes of layout fp4, bytes of 8-bit types. @throws Error `wrong-shape`, `wrong-dtype`
CodeDifferences compare_codes(const Tensor& a, const Tensor& b);

}  // namespace moe
