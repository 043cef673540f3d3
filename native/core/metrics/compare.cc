#include "core/metrics/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/formats/bf16.h"
#include "core/parallel/pool.h"

namespace moe {
namespace {

constexpr int64_t kChunk = 1 << 16;

/// Sums over one chunk.
struct Partial {
  double difference_sq = 0, a_sq = 0, b_sq = 0, product = 0, a_sum = 0, b_sum = 0;
  double max_abs = -1;
  int64_t max_abs_index = 0;
  int64_t within = 0, nan_a = 0, nan_b = 0, numbers = 0;
  std::array<double, kUlpBins> ulp{};
  std::vector<Difference> worst;
};

/// |a - b| with NaN as the largest: what `worst` sorts by. Equal infinities differ by 0.
double magnitude(const Difference& d) {
  if (std::isnan(d.a) && std::isnan(d.b)) return 0;
  if (std::isnan(d.a) || std::isnan(d.b)) return std::numeric_limits<double>::infinity();
  return d.a == d.b ? 0 : std::fabs(d.a - d.b);
}

bool worse(const Difference& x, const Difference& y) {
  const double mx = magnitude(x);
  const double my = magnitude(y);
  return mx != my ? mx > my : x.index < y.index;
}

void keep_worst(std::vector<Difference>& worst, size_t limit) {
  const size_t kept = std::min(limit, worst.size());
  std::partial_sort(worst.begin(), worst.begin() + static_cast<std::ptrdiff_t>(kept), worst.end(), worse);
  worst.resize(kept);
}

int ulp_bin(int64_t distance) {
  int bin = 0;
  int64_t upper = 0;  // largest distance of `bin`: 0, 1, 2, 4, 8, ..., 1024
  while (bin + 1 < kUlpBins && distance > upper) {
    upper = upper == 0 ? 1 : upper * 2;
    ++bin;
  }
  return distance > upper ? kUlpBins - 1 : bin;
}

/// bf16 bit patterns in the order of their values; both zeros are 0.
int64_t ordered(uint16_t bits) { return (bits & 0x8000U) != 0 ? -static_cast<int64_t>(bits & 0x7FFFU) : bits; }

Partial compare_chunk(int64_t begin, int64_t count, const double* a, const double* b, const CompareOptions& options) {
  Partial out;
  const size_t limit = static_cast<size_t>(std::max(0, options.worst));
  double floor = -1;  // once `worst` was cut to its size, only larger differences can enter
  for (int64_t i = 0; i < count; ++i) {
    const Difference element{begin + i, a[i], b[i]};
    const bool nan_a = std::isnan(a[i]);
    const bool nan_b = std::isnan(b[i]);
    out.nan_a += nan_a ? 1 : 0;
    out.nan_b += nan_b ? 1 : 0;
    out.ulp[ulp_bin(bf16_ulp_distance(a[i], b[i]))] += 1;
    const double difference = magnitude(element);
    if (limit > 0 && difference > floor && difference > 0) {
      out.worst.push_back(element);
      if (out.worst.size() >= 4 * limit + 64) {
        keep_worst(out.worst, limit);
        floor = magnitude(out.worst.back());
      }
    }
    if (nan_a || nan_b) {
      out.within += nan_a && nan_b ? 1 : 0;
      continue;
    }
    // 0 first: rtol 0 times an infinite b would be NaN.
    out.within += difference == 0 || difference <= options.atol + options.rtol * std::fabs(b[i]) ? 1 : 0;
    out.difference_sq += difference * difference;
    out.a_sq += a[i] * a[i];
    out.b_sq += b[i] * b[i];
    out.product += a[i] * b[i];
    out.a_sum += a[i];
    out.b_sum += b[i];
    ++out.numbers;
    if (difference > out.max_abs) {
      out.max_abs = difference;
      out.max_abs_index = element.index;
    }
  }
  keep_worst(out.worst, limit);
  return out;
}

void merge(Partial& total, const Partial& part) {
  total.difference_sq += part.difference_sq;
  total.a_sq += part.a_sq;
  total.b_sq += part.b_sq;
  total.product += part.product;
  total.a_sum += part.a_sum;
  total.b_sum += part.b_sum;
  total.numbers += part.numbers;
  total.within += part.within;
  total.nan_a += part.nan_a;
  total.nan_b += part.nan_b;
  for (int i = 0; i < kUlpBins; ++i) total.ulp[i] += part.ulp[i];
  total.worst.insert(total.worst.end(), part.worst.begin(), part.worst.end());
  if (part.max_abs > total.max_abs) {
    total.max_abs = part.max_abs;
    total.max_abs_index = part.max_abs_index;
  }
}

/// PCC from the sums. A variance below the rounding of its own sums (n * 2^-52 of the mean square) is none.
double correlation(const Partial& total) {
  const auto n = static_cast<double>(total.numbers);
  if (n == 0) return 1;
  const auto variance = [&](double square, double sum) {
    const double v = square - sum * sum / n;
    return v > square * n * 0x1p-52 ? v : 0;
  };
  const double va = variance(total.a_sq, total.a_sum);
  const double vb = variance(total.b_sq, total.b_sum);
  if (va == 0 || vb == 0) return va == vb ? 1 : 0;
  return std::clamp((total.product - total.a_sum * total.b_sum / n) / (std::sqrt(va) * std::sqrt(vb)), -1.0, 1.0);
}

}  // namespace

int64_t bf16_ulp_distance(double a, double b) {
  if (std::isnan(a) && std::isnan(b)) return 0;
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<int64_t>::max();
  return std::llabs(ordered(bf16_encode(a)) - ordered(bf16_encode(b)));
}

Comparison compare(int64_t count, const ValueReader& a, const ValueReader& b, const CompareOptions& options) {
  const int64_t chunks = (count + kChunk - 1) / kChunk;
  std::vector<Partial> parts(chunks);
  run_tasks(chunks, [&](int64_t chunk) {
    const int64_t begin = chunk * kChunk;
    const int64_t length = std::min(kChunk, count - begin);
    std::vector<double> left(length);
    std::vector<double> right(length);
    a(begin, length, left.data());
    b(begin, length, right.data());
    parts[chunk] = compare_chunk(begin, length, left.data(), right.data(), options);
  });

  Partial total;
  for (const Partial& part : parts) merge(total, part);
  keep_worst(total.worst, static_cast<size_t>(std::max(0, options.worst)));

  Comparison out;
  out.count = count;
  out.max_abs = std::max(0.0, total.max_abs);
  out.max_abs_index = total.max_abs_index;
  if (total.difference_sq > 0) out.nrmse = std::sqrt(total.difference_sq) / std::sqrt(total.b_sq);
  if (total.a_sq > 0 || total.b_sq > 0) {
    const double norms = std::sqrt(total.a_sq) * std::sqrt(total.b_sq);
    out.cosine = norms > 0 ? total.product / norms : 0;
    out.best_scale = total.b_sq > 0 ? total.product / total.b_sq : 0;
  }
  out.pcc = correlation(total);
  out.within_tolerance = count > 0 ? static_cast<double>(total.within) / static_cast<double>(count) : 1;
  out.nan_a = total.nan_a;
  out.nan_b = total.nan_b;
  out.ulp_histogram = total.ulp;
  out.worst = std::move(total.worst);
  return out;
}

}  // namespace moe
