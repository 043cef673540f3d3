// How evenly a batch spreads over the experts, and what uniform routing would give.
#pragma once

#include <cstdint>

#include "core/parallel/parallel.h"

namespace moe {

/// Figures of one batch's rows per expert, experts without rows included.
struct Balance {
  double unique = 0;       ///< experts with at least one row
  double padded_rows = 0;  ///< rows when each expert's rows are rounded up to tile M
  double imbalance = 0;    ///< most rows / mean rows; 1 = even
  double variation = 0;    ///< population standard deviation / mean
  double gini = 0;         ///< 0 = even, 1 - 1/E = all rows on one expert
};

/// @param rows [experts]; all zero gives zeros
/// @param tile_m 0 or 1 = no padding
Balance balance_of(const int32_t* rows, int32_t experts, int32_t tile_m);

/// E * (1 - (1 - k/E)^T): mean number of experts that T tokens reach when each picks k different experts uniformly and
/// independently of the others.
double expected_unique(int32_t experts, int32_t top_k, int64_t tokens);

struct UniformRequest {
  int32_t experts = 0, top_k = 0, tile_m = 0;
  int64_t tokens = 0;
  int32_t draws = 0;
  uint64_t seed = 0;
};

/// Mean of `draws` batches routed uniformly (k different experts a token, Philox draws): same seed, same figures.
/// @throws Error `bad-routing` when top-k exceeds the experts, `cancelled`.
Balance uniform_balance(const UniformRequest& request, const Task& task);

}  // namespace moe
