// Comparison, difference tiles, and the thread pool below them.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/error/error.h"
#include "core/formats/bf16.h"
#include "core/metrics/pair_tile.h"
#include "core/metrics/tensor_values.h"
#include "core/parallel/pool.h"

using namespace moe;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Comparison of(const std::vector<double>& a, const std::vector<double>& b, CompareOptions options = {}) {
  const auto reader = [](const std::vector<double>& values) {
    return [&values](int64_t begin, int64_t count, double* out) { std::memcpy(out, values.data() + begin, static_cast<size_t>(count) * 8); };
  };
  return compare(static_cast<int64_t>(a.size()), reader(a), reader(b), options);
}

Tensor matrix(const std::vector<float>& values, int64_t rows) {
  NewTensor made = new_tensor("m", DType::kF32, Layout::kLinear, {rows, static_cast<int64_t>(values.size()) / rows});
  std::memcpy(made.data, values.data(), values.size() * sizeof(float));
  return made.tensor;
}

}  // namespace

TEST_CASE("comparison of known vectors") {
  const Comparison out = of({3, 0, 4, 1}, {3, 0, 0, 4}, {0.5, 1.0, 2});
  CHECK_EQ(out.count, 4);
  CHECK_EQ(out.max_abs, 4);
  CHECK_EQ(out.max_abs_index, 2);
  CHECK_EQ(out.nrmse, doctest::Approx(1.0));                       // sqrt(16 + 9) / 5
  CHECK_EQ(out.cosine, doctest::Approx(13 / (std::sqrt(26.0) * 5)));
  CHECK_EQ(out.best_scale, doctest::Approx(13.0 / 25));
  CHECK_EQ(out.within_tolerance, doctest::Approx(0.75));           // 3 <= 1 + 0.5 * 4
  REQUIRE_EQ(out.worst.size(), 2);
  CHECK_EQ(out.worst[0].index, 2);
  CHECK_EQ(out.worst[1].index, 3);
}

TEST_CASE("zero sides") {
  CHECK_EQ(of({0, 0}, {0, 0}).nrmse, 0);
  CHECK_EQ(of({0, 0}, {0, 0}).cosine, 1);
  CHECK(std::isinf(of({1, 0}, {0, 0}).nrmse));
  CHECK_EQ(of({1, 0}, {0, 0}).cosine, 0);
}

TEST_CASE("NaN is counted, never hidden, and leads the worst; equal infinities are equal") {
  const Comparison out = of({kNaN, 1, kNaN, kInf, 2}, {1, kNaN, kNaN, kInf, 2.5}, {0, 1, 3});
  CHECK_EQ(out.nan_a, 2);
  CHECK_EQ(out.nan_b, 2);
  CHECK_EQ(out.within_tolerance, doctest::Approx(3.0 / 5));
  REQUIRE_EQ(out.worst.size(), 3);
  CHECK_EQ(out.worst[0].index, 0);
  CHECK_EQ(out.worst[1].index, 1);
  CHECK_EQ(out.worst[2].index, 4);
  CHECK_EQ(out.max_abs, 0.5);
  CHECK_EQ(out.ulp_histogram[kUlpBins - 1], 2);
}

TEST_CASE("bf16 ULP bins") {
  const double one = 1.0;
  const double ulp = 1.0 / 128;
  CHECK_EQ(bf16_ulp_distance(one, one + 3 * ulp), 3);
  CHECK_EQ(bf16_ulp_distance(0.0, -0.0), 0);
  CHECK_EQ(bf16_ulp_distance(bf16_decode(0x0001), bf16_decode(0x8001)), 2);
  const std::vector<double> distances = {0, 1, 2, 3, 4, 5, 8, 9, 1 << 10, (1 << 10) + 1};
  std::vector<double> a;
  std::vector<double> b;
  for (const double distance : distances) {
    a.push_back(bf16_decode(static_cast<uint16_t>(0x3F80 + static_cast<int>(distance))));
    b.push_back(1.0);
  }
  const Comparison out = of(a, b);
  const std::vector<double> expected = {1, 1, 1, 2, 2, 1, 0, 0, 0, 0, 0, 1, 1};
  CHECK_EQ(std::vector<double>(out.ulp_histogram.begin(), out.ulp_histogram.end()), expected);
}

TEST_CASE("threads do not change a bit") {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> a(300'000);
  std::vector<double> b(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    b[i] = normal(random);
    a[i] = b[i] + 1e-3 * normal(random);
  }
  const Comparison many = of(a, b, {0, 0, 16});
  const ThreadLimit limit(1);
  const Comparison one = of(a, b, {0, 0, 16});
  CHECK_EQ(many.nrmse, one.nrmse);
  CHECK_EQ(many.cosine, one.cosine);
  REQUIRE_EQ(many.worst.size(), one.worst.size());
  for (size_t i = 0; i < many.worst.size(); ++i) CHECK_EQ(many.worst[i].index, one.worst[i].index);
}

TEST_CASE("tensors of different dtypes compare by value; other shapes are refused") {
  const Tensor floats = matrix({1, 2, 3, 4}, 2);
  NewTensor doubles = new_tensor("d", DType::kF64, Layout::kLinear, {2, 2});
  for (int i = 0; i < 4; ++i) reinterpret_cast<double*>(doubles.data)[i] = i + 1.0;
  CHECK_EQ(compare(floats, doubles.tensor, {}).nrmse, 0);
  CHECK_THROWS_AS(compare(floats, matrix({1, 2, 3, 4}, 1), {}), Error);
}

TEST_CASE("difference and ratio tiles") {
  const Tensor a = matrix({1, 5, 2, 2, 0, 0, -3, 4}, 2);
  const Tensor b = matrix({2, 2, 2, 4, 0, 1, 3, 4}, 2);
  const TileRequest request{0, 0, 2, 0, 4, 1, 2};
  const Tile difference = difference_tile(a, b, request, {});
  CHECK_EQ(difference.min, std::vector<float>{0, 0});
  CHECK_EQ(difference.max, std::vector<float>{3, 6});
  CHECK_EQ(difference.mean[0], doctest::Approx((-1.0 + 3 + 0 - 1) / 4));
  CHECK_EQ(difference.mean[1], doctest::Approx((0.0 - 2 - 6 + 0) / 4));
  CHECK((difference.marks[0] & kMarkZero) != 0);
  const Tile ratio = ratio_tile(a, b, request, {});
  CHECK_EQ(ratio.max[0], doctest::Approx(2.5));
  CHECK((ratio.marks[0] & kMarkNaN) != 0);  // 0 / 0
  CHECK_THROWS_AS(difference_tile(a, b, {0, 0, 3, 0, 4, 1, 2}, {}), Error);
}

TEST_CASE("run_tasks runs each task once, nests, and passes the first exception on") {
  std::vector<std::atomic<int>> seen(1000);
  run_tasks(1000, [&](int64_t i) { run_tasks(3, [&](int64_t) { ++seen[static_cast<size_t>(i)]; }); });
  for (const auto& count : seen) CHECK_EQ(count.load(), 3);
  CHECK_THROWS_AS(run_tasks(100, [](int64_t i) { if (i == 7) throw std::runtime_error("seven"); }), std::runtime_error);
}
