// How far two tensors are apart, and where.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace moe {

/// Fills out[0..count) with elements [begin, begin + count) as fp64. Called from several threads at once.
using ValueReader = std::function<void(int64_t begin, int64_t count, double* out)>;

struct CompareOptions {
  double rtol = 0;
  double atol = 0;
  int worst = 0;  ///< how many of the largest differences to name
};

/// Distance of two values in bf16 units in the last place: bins 0, 1, 2, 3-4, 5-8, 9-16, ..., 513-1024, > 1024.
inline constexpr int kUlpBins = 13;

struct Difference {
  int64_t index;
  double a, b;
};

struct Comparison {
  int64_t count = 0;
  double max_abs = 0;
  int64_t max_abs_index = 0;
  /// ||a - b|| / ||b||, b being the reference side: what FlashInfer's and vLLM's tests call NRMSE. Infinite when b is
  /// zero and a is not.
  double nrmse = 0;
  double cosine = 1;            ///< 1 when both sides are zero, 0 when one is
  /// Pearson correlation (PCC): the cosine of the deviations from each side's mean. 1 when neither side varies and 0 when one does.
  double pcc = 1;
  double within_tolerance = 1;  ///< share of elements with |a - b| <= atol + rtol * |b|
  double best_scale = 1;        ///< s that minimises ||a - s b||: <a, b> / <b, b>; 0 when b is zero
  int64_t nan_a = 0, nan_b = 0;
  std::array<double, kUlpBins> ulp_histogram{};
  std::vector<Difference> worst;  ///< largest |a - b| first; equal ones by index
};

/// Compares `count` elements in fp64. Elements that are NaN on either side are counted in nan_a / nan_b and left out of
/// the norms; they are within tolerance only when both are NaN, and come first in `worst` otherwise. Sums are taken over
/// fixed chunks that are added in order, so that the number of threads does not change a bit of the result.
Comparison compare(int64_t count, const ValueReader& a, const ValueReader& b, const CompareOptions& options);

/// bf16 steps between a and b (both rounded to bf16 first); NaN against a number is the largest distance.
int64_t bf16_ulp_distance(double a, double b);

}  // namespace moe
