// Balance of a batch, uniform routing, and the load history against sums made plainly.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "core/error/error.h"
#include "core/random/philox.h"
#include "core/routing/balance.h"
#include "core/routing/load_history.h"

using namespace moe;

TEST_CASE("balance of hand-made rows") {
  const std::vector<int32_t> rows = {0, 1, 3, 8};
  const Balance balance = balance_of(rows.data(), 4, 4);
  CHECK(balance.unique == 3);
  CHECK(balance.padded_rows == 4 + 4 + 8);
  CHECK(balance.imbalance == doctest::Approx(8.0 / 3));
  CHECK(balance.variation == doctest::Approx(std::sqrt((9 + 4 + 0 + 25) / 4.0) / 3));
  // Gini by its definition: sum of |x_i - x_j| over all pairs / (2 n^2 mean)
  double differences = 0;
  for (const int a : rows)
    for (const int b : rows) differences += std::abs(a - b);
  CHECK(balance.gini == doctest::Approx(differences / (2 * 16 * 3.0)));
  const std::vector<int32_t> even(8, 5);
  CHECK(balance_of(even.data(), 8, 0).gini == doctest::Approx(0));
  CHECK(balance_of(even.data(), 8, 0).imbalance == 1);
  CHECK(balance_of(even.data(), 8, 0).padded_rows == 40);
  const std::vector<int32_t> none(8, 0);
  CHECK(balance_of(none.data(), 8, 16).imbalance == 0);
}

TEST_CASE("expected unique experts") {
  CHECK(expected_unique(128, 8, 0) == 0);
  CHECK(expected_unique(128, 8, 1) == doctest::Approx(8));
  CHECK(expected_unique(128, 8, 8) == doctest::Approx(128 * (1 - std::pow(1 - 8.0 / 128, 8))));
  CHECK(expected_unique(128, 8, 64) == doctest::Approx(125.94).epsilon(1e-4));
  CHECK(expected_unique(4, 4, 1) == 4);
}

TEST_CASE("uniform routing agrees with what is known in closed form") {
  for (const auto& [experts, top_k, tokens] : {std::array<int, 3>{128, 8, 8}, {128, 8, 64}, {512, 22, 16}, {8, 2, 3}}) {
    const int draws = 400;
    const Balance mean = uniform_balance({experts, top_k, 16, tokens, draws, 1}, {});
    const double expected = expected_unique(experts, top_k, tokens);
    // An expert's share p = 1 - (1-k/E)^T; experts are negatively correlated, so the variance of U is below E p (1-p).
    const double share = expected / experts;
    CHECK(std::abs(mean.unique - expected) < 5 * std::sqrt(experts * share * (1 - share) / draws) + 1e-9);
    // The mean of rows is fixed, so E[variation^2] = Var(rows) / mean^2 = (1 - k/E) / (T k/E) exactly.
    const double p = static_cast<double>(top_k) / experts;
    CHECK(mean.variation == doctest::Approx(std::sqrt((1 - p) / (tokens * p))).epsilon(0.05));
    CHECK(mean.imbalance >= 1);
    CHECK(mean.padded_rows >= tokens * top_k);
  }
  const Balance again = uniform_balance({128, 8, 16, 8, 3, 9}, {});
  CHECK(again.gini == uniform_balance({128, 8, 16, 8, 3, 9}, {}).gini);
  CHECK(again.gini != uniform_balance({128, 8, 16, 8, 3, 10}, {}).gini);
  CHECK(uniform_balance({4, 4, 0, 5, 3, 1}, {}).imbalance == doctest::Approx(1));
  CHECK_THROWS_AS(uniform_balance({4, 5, 0, 5, 3, 1}, {}), Error);
}

namespace {

/// Rows of batch `index` for 10 experts, top-k 2; batch 7 is not known.
std::vector<int32_t> rows_of(int64_t index) {
  std::vector<int32_t> rows(10);
  for (int64_t pair = 0; pair < 2 * (1 + index % 5); ++pair) ++rows[philox(static_cast<uint64_t>(index * 100 + pair), 3)[0] % 10];
  return rows;
}

void fill(LoadHistory& history, int64_t batches) {
  for (int64_t index = 0; index < batches; ++index) history.append(index == 7 ? nullptr : rows_of(index).data(), 4);
}

}  // namespace

TEST_CASE("a cell is an expert's load relative to an even spread") {
  LoadHistory history(10, 2);
  fill(history, 300);
  const LoadWindow window = history.window(-5, 1000, 60, 64);
  REQUIRE(window.first == 0);
  REQUIRE(window.last == 299);
  REQUIRE(window.columns == 60);
  REQUIRE(window.rows == 10);
  CHECK(window.exact_from == 0);
  for (int column = 0; column < 60; ++column) {
    std::vector<double> sums(10);
    double total = 0;
    double unique = 0;
    int known = 0;
    for (int64_t index = column * 5; index < column * 5 + 5; ++index) {
      if (index == 7) continue;
      const std::vector<int32_t> rows = rows_of(index);
      for (int e = 0; e < 10; ++e) sums[e] += rows[e];
      for (const int count : rows) total += count;
      unique += balance_of(rows.data(), 10, 4).unique;
      ++known;
    }
    for (int e = 0; e < 10; ++e) CHECK(window.load[e * 60 + column] == doctest::Approx(sums[e] * 10 / total));
    CHECK(window.unique[column] == doctest::Approx(unique / known));
  }
  const LoadWindow one = history.window(7, 7, 100, 64);
  CHECK(one.columns == 1);
  CHECK(std::isnan(one.load[0]));
  CHECK(std::isnan(one.imbalance[0]));
  CHECK(history.window(300, 400, 10, 10).columns == 0);
}

TEST_CASE("more experts than rows: the hottest of a cell is shown") {
  LoadHistory history(10, 2);
  const std::vector<int32_t> rows = {0, 0, 0, 0, 0, 0, 6, 0, 0, 2};
  history.append(rows.data(), 0);
  const LoadWindow window = history.window(0, 0, 1, 3);
  CHECK(window.experts_per_row == 4);
  REQUIRE(window.rows == 3);
  CHECK(window.load[0] == 0);
  CHECK(window.load[1] == doctest::Approx(6 * 10 / 8.0));
  CHECK(window.load[2] == doctest::Approx(2 * 10 / 8.0));
  CHECK(window.padding[0] == 0);
}

TEST_CASE("a small memory keeps the newest batches one by one and the others in blocks") {
  LoadHistory all(10, 2);
  LoadHistory few(10, 2, 128 * 40);
  fill(all, 1000);
  fill(few, 1000);
  CHECK(few.bytes() < all.bytes());
  const LoadWindow late = few.window(900, 999, 100, 10);
  CHECK(late.exact_from == 872);
  const LoadWindow same = all.window(900, 999, 100, 10);
  for (size_t i = 0; i < same.load.size(); ++i) CHECK(late.load[i] == same.load[i]);
  // Columns of whole blocks are the same from either; a column inside an old block shows that block.
  const LoadWindow blocks = few.window(0, 831, 13, 10);
  const LoadWindow sums = all.window(0, 831, 13, 10);
  for (size_t i = 0; i < sums.load.size(); ++i) CHECK(blocks.load[i] == sums.load[i]);
  const LoadWindow inside = few.window(3, 4, 2, 10);
  for (int e = 0; e < 10; ++e) CHECK(inside.load[e * 2] == blocks.load[e * 13]);
}
