#include "core/routing/load_history.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/routing/balance.h"

namespace moe {

namespace {
constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
}

LoadHistory::LoadHistory(int32_t experts, int32_t top_k, int64_t exact_bytes)
    : experts_(experts), top_k_(top_k), kept_(std::max<int64_t>(1, exact_bytes / (int64_t{4} * experts) / kBlock) * kBlock) {}

void LoadHistory::append(const int32_t* rows, int32_t tile_m) {
  Facts facts{kUnknown, kUnknown, kUnknown, kUnknown};
  const int64_t pairs = rows ? std::accumulate(rows, rows + experts_, int64_t{0}) : 0;
  if (pairs > 0) {
    const Balance balance = balance_of(rows, experts_, tile_m);
    facts = {static_cast<float>(balance.unique), static_cast<float>(expected_unique(experts_, top_k_, pairs / top_k_)), static_cast<float>(balance.imbalance),
             static_cast<float>((balance.padded_rows - static_cast<double>(pairs)) / balance.padded_rows)};
  }
  const std::lock_guard lock(mutex_);
  const int64_t place = size_ % kept_ * experts_;
  if (place == static_cast<int64_t>(exact_.size())) exact_.resize(place + experts_);
  if (size_ % kBlock == 0) blocks_.resize(blocks_.size() + experts_);
  uint32_t* block = blocks_.data() + blocks_.size() - experts_;
  for (int32_t e = 0; e < experts_; ++e) {
    const int32_t count = pairs > 0 ? rows[e] : 0;
    exact_[place + e] = count;
    block[e] += static_cast<uint32_t>(count);
  }
  facts_.push_back(facts);
  ++size_;
}

int64_t LoadHistory::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

int64_t LoadHistory::bytes() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(exact_.capacity() * sizeof(int32_t) + blocks_.capacity() * sizeof(uint32_t) + facts_.capacity() * sizeof(Facts));
}

int64_t LoadHistory::exact_from() const { return std::max<int64_t>(0, size_ - kept_); }

void LoadHistory::add(int64_t from, int64_t to, std::vector<int64_t>& sums) const {
  const int64_t exact = exact_from();
  for (int64_t batch = from; batch <= to;) {
    const int64_t block_end = std::min(size_, (batch / kBlock + 1) * kBlock) - 1;
    if (batch < exact || (batch % kBlock == 0 && block_end <= to)) {
      const uint32_t* block = blocks_.data() + batch / kBlock * experts_;
      for (int32_t e = 0; e < experts_; ++e) sums[e] += block[e];
      batch = block_end + 1;
    } else {
      const int32_t* one = exact_.data() + batch % kept_ * experts_;
      for (int32_t e = 0; e < experts_; ++e) sums[e] += one[e];
      ++batch;
    }
  }
}

LoadWindow LoadHistory::window(int64_t first, int64_t last, int32_t columns, int32_t rows) const {
  const std::lock_guard lock(mutex_);
  LoadWindow out;
  out.first = std::max<int64_t>(0, first);
  out.last = std::min(last, size_ - 1);
  out.exact_from = exact_from();
  out.experts_per_row = (experts_ + rows - 1) / rows;
  out.rows = (experts_ + out.experts_per_row - 1) / out.experts_per_row;
  if (out.last < out.first) return out;
  const int64_t span = out.last - out.first + 1;
  out.columns = static_cast<int32_t>(std::min<int64_t>(columns, span));
  out.load.assign(static_cast<size_t>(out.rows) * out.columns, kUnknown);
  for (auto* facts : {&out.unique, &out.expected, &out.imbalance, &out.padding}) facts->assign(out.columns, kUnknown);
  std::vector<int64_t> sums(experts_);
  for (int32_t column = 0; column < out.columns; ++column) {
    const int64_t from = out.first + span * column / out.columns;
    const int64_t to = out.first + span * (column + 1) / out.columns - 1;
    std::fill(sums.begin(), sums.end(), 0);
    add(from, to, sums);
    const double pairs = std::accumulate(sums.begin(), sums.end(), 0.0);
    if (pairs > 0) {
      for (int32_t row = 0; row < out.rows; ++row) {
        const auto begin = sums.begin() + static_cast<int64_t>(row) * out.experts_per_row;
        const auto end = sums.begin() + std::min<int64_t>(experts_, (row + int64_t{1}) * out.experts_per_row);
        out.load[static_cast<size_t>(row) * out.columns + column] = static_cast<float>(static_cast<double>(*std::max_element(begin, end)) * experts_ / pairs);
      }
    }
    double unique = 0, expected = 0, imbalance = 0, padding = 0;
    int64_t known = 0;
    for (int64_t batch = from; batch <= to; ++batch) {
      const Facts& one = facts_[batch];
      if (one.unique != one.unique) continue;
      unique += one.unique;
      expected += one.expected;
      imbalance += one.imbalance;
      padding += one.padding;
      ++known;
    }
    if (known == 0) continue;
    const auto mean = [&](double sum) { return static_cast<float>(sum / static_cast<double>(known)); };
    out.unique[column] = mean(unique);
    out.expected[column] = mean(expected);
    out.imbalance[column] = mean(imbalance);
    out.padding[column] = mean(padding);
  }
  return out;
}

}  // namespace moe
