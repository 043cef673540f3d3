#include "core/routing/balance.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "core/error/error.h"
#include "core/random/philox.h"

namespace moe {

Balance balance_of(const int32_t* rows, int32_t experts, int32_t tile_m) {
  Balance out;
  const double total = std::accumulate(rows, rows + experts, 0.0);
  if (total == 0) return out;
  const int64_t tile = std::max(1, tile_m);
  const double mean = total / experts;
  std::vector<int32_t> sorted(rows, rows + experts);
  std::sort(sorted.begin(), sorted.end());
  double squares = 0;
  double ranked = 0;
  for (int32_t i = 0; i < experts; ++i) {
    const int32_t count = sorted[i];
    out.unique += count > 0 ? 1 : 0;
    out.padded_rows += static_cast<double>((count + tile - 1) / tile * tile);
    squares += (count - mean) * (count - mean);
    ranked += (i + 1.0) * count;
  }
  out.imbalance = sorted.back() / mean;
  out.variation = std::sqrt(squares / experts) / mean;
  // Gini of sorted values: 2 * sum(i * x_i) / (n * sum(x)) - (n + 1) / n, i from 1.
  out.gini = 2 * ranked / (experts * total) - (experts + 1.0) / experts;
  return out;
}

double expected_unique(int32_t experts, int32_t top_k, int64_t tokens) {
  if (top_k >= experts) return tokens > 0 ? experts : 0;
  return -experts * std::expm1(static_cast<double>(tokens) * std::log1p(-static_cast<double>(top_k) / experts));
}

namespace {

/// Whole numbers below a limit, by Lemire's multiplication; its bias is limit / 2^32, far below the noise of the draws.
class Draws {
 public:
  explicit Draws(uint64_t seed) : seed_(seed) {}
  int32_t below(int32_t limit) {
    if (at_ == 4) {
      block_ = philox(next_++, seed_);
      at_ = 0;
    }
    return static_cast<int32_t>((static_cast<uint64_t>(block_[at_++]) * static_cast<uint64_t>(limit)) >> 32U);
  }

 private:
  uint64_t seed_;
  uint64_t next_ = 0;
  PhiloxBlock block_{};
  size_t at_ = 4;
};

}  // namespace

Balance uniform_balance(const UniformRequest& request, const Task& task) {
  const auto [experts, top_k, tile_m, tokens, draws, seed] = request;
  if (top_k > experts) {
    throw Error(code::kBadRouting, "top-k exceeds the number of experts",
                {{"expected", "at most " + std::to_string(experts)}, {"found", std::to_string(top_k)}});
  }
  Balance sum;
  if (tokens == 0 || draws == 0) return sum;
  Draws random(seed);
  std::vector<int32_t> order(experts);
  std::iota(order.begin(), order.end(), 0);
  std::vector<int32_t> rows(experts);
  for (int32_t draw = 0; draw < draws; ++draw) {
    std::fill(rows.begin(), rows.end(), 0);
    for (int64_t token = 0; token < tokens; ++token) {
      if (token % 4096 == 0) task.check();
      // The first k places of a Fisher-Yates shuffle; the order left by the token before is as good a start as any.
      for (int32_t slot = 0; slot < top_k; ++slot) {
        std::swap(order[slot], order[slot + random.below(experts - slot)]);
        ++rows[order[slot]];
      }
    }
    const Balance one = balance_of(rows.data(), experts, tile_m);
    sum.unique += one.unique / draws;
    sum.padded_rows += one.padded_rows / draws;
    sum.imbalance += one.imbalance / draws;
    sum.variation += one.variation / draws;
    sum.gini += one.gini / draws;
  }
  return sum;
}

}  // namespace moe
