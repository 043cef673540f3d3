// The routed pairs of a batch, sorted by expert: how a grouped GEMM sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace moe {

/// Rows [first, first + count) of ExpertRows::pairs belong to `expert`.
struct ExpertGroup {
  int32_t expert;
  int64_t first, count;
};

struct ExpertRows {
  std::vector<int64_t> pairs;       ///< pair = token * k + slot, by expert, then by pair
  std::vector<ExpertGroup> groups;  ///< experts with at least one row, ascending
};

/// Groups pairs [0, T*k); every id must lie in [0, experts).
inline ExpertRows group_by_expert(const int32_t* topk_ids, int64_t pairs, int32_t experts) {
  std::vector<int64_t> first(static_cast<size_t>(experts) + 1);
  for (int64_t pair = 0; pair < pairs; ++pair) ++first[topk_ids[pair] + 1];
  for (int32_t e = 0; e < experts; ++e) first[e + 1] += first[e];
  ExpertRows out;
  out.pairs.resize(pairs);
  for (int32_t e = 0; e < experts; ++e) {
    if (first[e + 1] > first[e]) out.groups.push_back({e, first[e], first[e + 1] - first[e]});
  }
  for (int64_t pair = 0; pair < pairs; ++pair) out.pairs[first[topk_ids[pair]]++] = pair;
  return out;
}

}  // namespace moe
