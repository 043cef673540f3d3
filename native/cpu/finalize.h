// From FC2's sums to y: the four reductions of recipe.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/dot.h"
#include "cpu/recipe.h"

namespace moe::cpu {

/// Holds what FC2 leaves for each routed pair of a chunk of tokens, and reduces it to bf16 rows.
class Finalizer {
 public:
  /// @param tokens of the chunk; @param hidden a multiple of 16; @param slices of FC2 along I (1 unless the reduction is by slices)
  Finalizer(Reduction reduction, int64_t tokens, int64_t top_k, int64_t hidden, int64_t slices);

  /// Takes 16 sums of one slice of one pair (pair within the chunk). `alpha`: FC2's multiplier of the expert;
  /// `weight`: router weight of the pair.
  void put(int64_t pair, int64_t slice, int64_t first_output, const float* acc, float alpha, float weight);

  /// y of one token, bf16 bits [H]. `deterministic`: contributions are added by slot, then slice; otherwise in a
  /// permutation drawn for each 128 columns from (seed, token), as the atomics of tiles that finish in any order do.
  void reduce(int64_t token_in_chunk, int64_t token, const float* weights, bool deterministic, uint64_t seed, uint16_t* y) const;

  /// FC2 after its multiplier and before the router weight, F32 [H] of a pair: bf16(acc * alpha) for CUTLASS, the fp32
  /// sum over slices of bf16(acc * alpha) for b12x by slices, bf16(acc) * alpha for gated dynamic, acc * alpha for
  /// direct micro. Kept only when asked for.
  void keep_fc2(bool keep);
  void fc2(int64_t pair, float* out) const;
  /// One slice's part of it, of one column.
  float fc2_of_slice(int64_t pair, int64_t slice, int64_t column) const { return fc2_[static_cast<size_t>(place(pair, slice, column))]; }

  /// One addition of reduce() in its deterministic order: what is added and the sum afterwards.
  struct Step {
    int64_t slot, slice;
    float value, sum;
  };
  /// The additions behind one column of a token; y is the last sum, rounded to bf16 where it is not already.
  std::vector<Step> steps(int64_t token_in_chunk, const float* weights, int64_t column) const;

  uint64_t bytes() const;

 private:
  /// Where a column lies: slices of 16 columns side by side, so that what FC2 puts after each other fills whole cache lines.
  int64_t place(int64_t pair, int64_t slice, int64_t column) const { return (pair * hidden_ + column / kPanel * kPanel) * slices_ + slice * kPanel + column % kPanel; }

  void reduce_added(int64_t token_in_chunk, int64_t token, bool deterministic, uint64_t seed, uint16_t* y) const;

  Reduction reduction_;
  int64_t top_k_, hidden_, slices_;
  size_t elements_;                             ///< pairs * slices * H
  std::unique_ptr<uint16_t[]> contributions_;  ///< place(): what is added, bf16
  std::unique_ptr<float[]> sums_;              ///< direct micro: [pairs, H] acc * (alpha * weight)
  std::vector<float> fc2_;                     ///< place(), when kept
};

}  // namespace moe::cpu
