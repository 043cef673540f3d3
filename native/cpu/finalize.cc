#include "cpu/finalize.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/formats/bf16.h"
#include "cpu/dot.h"

namespace moe::cpu {
namespace {

constexpr int64_t kOutputTile = 128;

/// splitmix64: one step of a counter-based generator.
uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ x >> 30U) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ x >> 27U) * 0x94D049BB133111EBULL;
  return x ^ x >> 31U;
}

/// A permutation of 0..n-1 drawn from `key` (Fisher-Yates).
void shuffle(std::vector<int64_t>& order, uint64_t key) {
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) {
    key = mix(key);
    std::swap(order[i - 1], order[key % i]);
  }
}

}  // namespace

Finalizer::Finalizer(Reduction reduction, int64_t tokens, int64_t top_k, int64_t hidden, int64_t slices)
    : reduction_(reduction), top_k_(top_k), hidden_(hidden), slices_(slices) {
  const int64_t pairs = tokens * top_k;
  if (reduction == Reduction::kDirectMicro) {
    sums_.resize(pairs * hidden);
  } else {
    contributions_.resize(pairs * slices * hidden);
  }
}

void Finalizer::keep_fc2(bool keep) {
  const size_t elements = reduction_ == Reduction::kDirectMicro ? sums_.size() : contributions_.size();
  fc2_.resize(keep ? elements : 0);
}

void Finalizer::put(int64_t pair, int64_t slice, int64_t first_output, const float* acc, float alpha, float weight) {
  const int64_t at = (pair * slices_ + slice) * hidden_ + first_output;
  float fc2[kPanel];
  float added[kPanel];
  switch (reduction_) {
    case Reduction::kCutlass:
      for (int i = 0; i < kPanel; ++i) added[i] = fc2[i] = bf16_round(acc[i] * alpha);
      break;
    case Reduction::kSlices:
      for (int i = 0; i < kPanel; ++i) added[i] = (fc2[i] = bf16_round(acc[i] * alpha)) * weight;
      break;
    case Reduction::kGatedDynamic: {
      const float combined = bf16_round(alpha * weight);
      for (int i = 0; i < kPanel; ++i) {
        const float rounded = bf16_round(acc[i]);
        added[i] = rounded * combined;
        fc2[i] = rounded * alpha;
      }
      break;
    }
    case Reduction::kDirectMicro: {
      const float combined = alpha * weight;
      for (int i = 0; i < kPanel; ++i) {
        sums_[at + i] = acc[i] * combined;
        fc2[i] = acc[i] * alpha;
      }
      break;
    }
  }
  if (reduction_ != Reduction::kDirectMicro) {
    for (int i = 0; i < kPanel; ++i) contributions_[at + i] = bf16_encode(added[i]);
  }
  if (!fc2_.empty()) std::copy_n(fc2, kPanel, fc2_.begin() + at);
}

void Finalizer::reduce(int64_t token_in_chunk, int64_t token, const float* weights, bool deterministic, uint64_t seed, uint16_t* y) const {
  if (reduction_ == Reduction::kSlices || reduction_ == Reduction::kGatedDynamic) {
    reduce_added(token_in_chunk, token, deterministic, seed, y);
    return;
  }
  std::vector<float> sum(hidden_);
  for (int64_t slot = 0; slot < top_k_; ++slot) {
    const int64_t at = (token_in_chunk * top_k_ + slot) * hidden_;
    for (int64_t h = 0; h < hidden_; ++h) {
      sum[h] += reduction_ == Reduction::kDirectMicro ? sums_[at + h] : weights[slot] * bf16_decode(contributions_[at + h]);
    }
  }
  for (int64_t h = 0; h < hidden_; ++h) y[h] = bf16_encode(sum[h]);
}

void Finalizer::reduce_added(int64_t token_in_chunk, int64_t token, bool deterministic, uint64_t seed, uint16_t* y) const {
  std::vector<int64_t> order(top_k_ * slices_);
  std::iota(order.begin(), order.end(), 0);
  const uint16_t* base = contributions_.data() + token_in_chunk * top_k_ * slices_ * hidden_;
  std::fill_n(y, hidden_, uint16_t{0});
  for (int64_t first = 0; first < hidden_; first += kOutputTile) {
    if (!deterministic) shuffle(order, mix(mix(seed) ^ static_cast<uint64_t>(token)) + static_cast<uint64_t>(first / kOutputTile));
    const int64_t end = std::min(hidden_, first + kOutputTile);
    for (const int64_t contribution : order) {
      const uint16_t* added = base + contribution * hidden_;
      // red.add.bf16x2 rounds the exact sum once; fp32 has more than 2 * 8 + 2 bits, so rounding twice is the same.
      for (int64_t h = first; h < end; ++h) y[h] = bf16_encode(bf16_decode(y[h]) + bf16_decode(added[h]));
    }
  }
}

void Finalizer::fc2(int64_t pair, float* out) const {
  std::fill_n(out, hidden_, 0.0F);
  for (int64_t slice = 0; slice < slices_; ++slice) {
    const float* part = fc2_.data() + (pair * slices_ + slice) * hidden_;
    for (int64_t h = 0; h < hidden_; ++h) out[h] += part[h];
  }
}

std::vector<Finalizer::Step> Finalizer::steps(int64_t token_in_chunk, const float* weights, int64_t column) const {
  std::vector<Step> out;
  const bool in_bf16 = reduction_ == Reduction::kSlices || reduction_ == Reduction::kGatedDynamic;
  float sum = 0;
  for (int64_t slot = 0; slot < top_k_; ++slot) {
    for (int64_t slice = 0; slice < slices_; ++slice) {
      const int64_t at = ((token_in_chunk * top_k_ + slot) * slices_ + slice) * hidden_ + column;
      float value = reduction_ == Reduction::kDirectMicro ? sums_[at] : bf16_decode(contributions_[at]);
      if (reduction_ == Reduction::kCutlass) value *= weights[slot];
      sum = in_bf16 ? bf16_round(sum + value) : sum + value;
      out.push_back({slot, slice, value, sum});
    }
  }
  return out;
}

uint64_t Finalizer::bytes() const { return contributions_.size() * 2 + (sums_.size() + fc2_.size()) * sizeof(float); }

}  // namespace moe::cpu
