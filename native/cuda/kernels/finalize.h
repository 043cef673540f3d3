// From what FC2 left of each routed pair to y.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace moe::cuda {

/// CUTLASS's unfused finalize: y[t] = bf16(fp32 sum over slots in slot order of weight * row). `rows` is bf16
/// [P, H] in sorted order (`row_of_pair`) or, with row_of_pair == nullptr, in pair order. H is a multiple of 8.
struct WeightedFinalize {
  const uint16_t* rows = nullptr;
  const int32_t* row_of_pair = nullptr;
  const float* topk_weights = nullptr;  ///< [T, k]
  int tokens = 0, top_k = 0, hidden = 0;
  uint16_t* y = nullptr;  ///< bf16 [T, H]
};
void enqueue_weighted_finalize(const WeightedFinalize& work, cudaStream_t stream);

/// b12x in a fixed order: y[t] = bf16 sum, from zero, of the token's bf16 contributions by slot, then slice; each addition
/// is rounded to bf16, as red.add.bf16x2 does. `contributions` is [T * k, slices, H].
struct AddedFinalize {
  const uint16_t* contributions = nullptr;
  int tokens = 0, top_k = 0, slices = 0, hidden = 0;
  uint16_t* y = nullptr;
};
void enqueue_added_finalize(const AddedFinalize& work, cudaStream_t stream);

}  // namespace moe::cuda
