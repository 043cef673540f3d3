#include "cpu/finalize.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/formats/bf16.h"
#include "core/parallel/clones.h"
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

// kPanel sums each: what is added, and FC2 as its tap shows it.

MOE_CLONES void take_cutlass(const float* acc, float alpha, uint16_t* added, float* fc2) {
  for (int i = 0; i < kPanel; ++i) {
    added[i] = bf16_encode(acc[i] * alpha);
    fc2[i] = bf16_decode(added[i]);
  }
}

MOE_CLONES void take_slice(const float* acc, float alpha, float weight, uint16_t* added, float* fc2) {
  for (int i = 0; i < kPanel; ++i) {
    fc2[i] = bf16_round(acc[i] * alpha);
    added[i] = bf16_encode(fc2[i] * weight);
  }
}

MOE_CLONES void take_gated_dynamic(const float* acc, float alpha, float combined, uint16_t* added, float* fc2) {
  for (int i = 0; i < kPanel; ++i) {
    const float rounded = bf16_round(acc[i]);
    added[i] = bf16_encode(rounded * combined);
    fc2[i] = rounded * alpha;
  }
}

MOE_CLONES void take_direct_micro(const float* acc, float alpha, float combined, float* added, float* fc2) {
  for (int i = 0; i < kPanel; ++i) {
    added[i] = acc[i] * combined;
    fc2[i] = acc[i] * alpha;
  }
}

/// y = kPanel columns of `contributions` (kPanel each) added to zero in `order`, every sum rounded to bf16. red.add.bf16x2 rounds the
/// exact sum once; fp32 has more than 2 * 8 + 2 bits, so rounding twice is the same. Written with vectors: GCC 12 unrolls a
/// loop of 16 before it would make one of it.
MOE_CLONES void add_in_bf16(const uint16_t* const* contributions, const int64_t* order, int64_t count, uint16_t* y) {
  using Halves = uint16_t __attribute__((vector_size(2 * kPanel)));
  using Words = uint32_t __attribute__((vector_size(4 * kPanel)));
  using Floats = float __attribute__((vector_size(4 * kPanel)));
  Words sum = {};  // bf16 in the upper halves
  for (int64_t c = 0; c < count; ++c) {
    Halves added;
    std::memcpy(&added, contributions[order[c]], sizeof added);
    const Words wide = __builtin_convertvector(added, Words) << 16U;
    const Words bits = reinterpret_cast<Words>(reinterpret_cast<Floats>(sum) + reinterpret_cast<Floats>(wide));
    const Words rounded = (bits + 0x7FFFU + (bits >> 16U & 1U)) & 0xFFFF0000U;
    sum = (bits & 0x7FFFFFFFU) > 0x7F800000U ? Words{} + 0x7FFF0000U : rounded;  // bf16_encode's NaN
  }
  const Halves out = __builtin_convertvector(sum >> 16U, Halves);
  std::memcpy(y, &out, sizeof out);
}

MOE_CLONES void add_weighted(float* sum, float weight, const uint16_t* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] += weight * bf16_decode(values[i]);
}

MOE_CLONES void add(float* sum, const float* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] += values[i];
}

MOE_CLONES void encode(const float* values, uint16_t* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = bf16_encode(values[i]);
}

}  // namespace

Finalizer::Finalizer(Reduction reduction, int64_t tokens, int64_t top_k, int64_t hidden, int64_t slices)
    : reduction_(reduction), top_k_(top_k), hidden_(hidden), slices_(slices) {
  elements_ = static_cast<size_t>(tokens * top_k * slices * hidden);
  // Every element is put before it is read, so nothing is cleared.
  if (reduction == Reduction::kDirectMicro) sums_ = std::make_unique_for_overwrite<float[]>(elements_);
  else contributions_ = std::make_unique_for_overwrite<uint16_t[]>(elements_);
}

void Finalizer::keep_fc2(bool keep) { fc2_.resize(keep ? elements_ : 0); }

void Finalizer::put(int64_t pair, int64_t slice, int64_t first_output, const float* acc, float alpha, float weight) {
  const int64_t at = place(pair, slice, first_output);
  float unwanted[kPanel];
  float* fc2 = fc2_.empty() ? unwanted : fc2_.data() + at;
  switch (reduction_) {
    case Reduction::kCutlass: return take_cutlass(acc, alpha, contributions_.get() + at, fc2);
    case Reduction::kSlices: return take_slice(acc, alpha, weight, contributions_.get() + at, fc2);
    case Reduction::kGatedDynamic: return take_gated_dynamic(acc, alpha, bf16_round(alpha * weight), contributions_.get() + at, fc2);
    case Reduction::kDirectMicro: return take_direct_micro(acc, alpha, alpha * weight, sums_.get() + at, fc2);
  }
}

void Finalizer::reduce(int64_t token_in_chunk, int64_t token, const float* weights, bool deterministic, uint64_t seed, uint16_t* y) const {
  if (reduction_ == Reduction::kSlices || reduction_ == Reduction::kGatedDynamic) {
    reduce_added(token_in_chunk, token, deterministic, seed, y);
    return;
  }
  std::vector<float> sum(hidden_);
  for (int64_t slot = 0; slot < top_k_; ++slot) {
    const int64_t at = (token_in_chunk * top_k_ + slot) * hidden_;
    if (reduction_ == Reduction::kDirectMicro) add(sum.data(), sums_.get() + at, hidden_);
    else add_weighted(sum.data(), weights[slot], contributions_.get() + at, hidden_);
  }
  encode(sum.data(), y, hidden_);
}

void Finalizer::reduce_added(int64_t token_in_chunk, int64_t token, bool deterministic, uint64_t seed, uint16_t* y) const {
  std::vector<int64_t> order(top_k_ * slices_);
  std::iota(order.begin(), order.end(), 0);
  std::vector<const uint16_t*> contributions(order.size());
  for (int64_t first = 0; first < hidden_; first += kOutputTile) {
    if (!deterministic) shuffle(order, mix(mix(seed) ^ static_cast<uint64_t>(token)) + static_cast<uint64_t>(first / kOutputTile));
    for (int64_t column = first; column < std::min(hidden_, first + kOutputTile); column += kPanel) {
      for (size_t c = 0; c < contributions.size(); ++c) {
        const auto index = static_cast<int64_t>(c);
        contributions[c] = contributions_.get() + place(token_in_chunk * top_k_ + index / slices_, index % slices_, column);
      }
      add_in_bf16(contributions.data(), order.data(), static_cast<int64_t>(order.size()), y + column);
    }
  }
}

void Finalizer::fc2(int64_t pair, float* out) const {
  for (int64_t column = 0; column < hidden_; ++column) {
    out[column] = 0;
    for (int64_t slice = 0; slice < slices_; ++slice) out[column] += fc2_of_slice(pair, slice, column);
  }
}

std::vector<Finalizer::Step> Finalizer::steps(int64_t token_in_chunk, const float* weights, int64_t column) const {
  std::vector<Step> out;
  const bool in_bf16 = reduction_ == Reduction::kSlices || reduction_ == Reduction::kGatedDynamic;
  float sum = 0;
  for (int64_t slot = 0; slot < top_k_; ++slot) {
    for (int64_t slice = 0; slice < slices_; ++slice) {
      const int64_t at = place(token_in_chunk * top_k_ + slot, slice, column);
      float value = reduction_ == Reduction::kDirectMicro ? sums_[at] : bf16_decode(contributions_[at]);
      if (reduction_ == Reduction::kCutlass) value *= weights[slot];
      sum = in_bf16 ? bf16_round(sum + value) : sum + value;
      out.push_back({slot, slice, value, sum});
    }
  }
  return out;
}

uint64_t Finalizer::bytes() const {
  return elements_ * (reduction_ == Reduction::kDirectMicro ? sizeof(float) : sizeof(uint16_t)) + fc2_.size() * sizeof(float);
}

}  // namespace moe::cpu
