// Routed pairs grouped by expert: the device form of core/routing/expert_rows.h.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace moe::cuda {

/// Sorted rows: row r of the grouped GEMMs is routed pair `pairs[r]` (pair = token * top_k + slot). Rows of one expert lie
/// together, experts ascending, within an expert in pair order, so the result does not depend on timing.
struct DeviceExpertRows {
  int32_t* offsets = nullptr;       ///< [E + 1]: expert e has rows offsets[e] .. offsets[e + 1]
  int32_t* pairs = nullptr;         ///< [P]
  int32_t* row_of_pair = nullptr;   ///< [P], the inverse; may be nullptr
  int32_t* tile_offsets = nullptr;  ///< [E + 1]: expert e has row tiles tile_offsets[e] .. tile_offsets[e + 1]; may be nullptr
};

/// Bytes of scratch that enqueue_expert_rows needs.
size_t expert_rows_scratch_bytes(int pairs, int experts);

/// Sorts `pairs` = T * k ids, stable. One launch up to 1024 pairs, three above; no atomics on global memory. An id outside
/// [0, experts) is not checked (the host did).
/// @param tile_rows rows of a tile for `tile_offsets`
/// @throws Error `internal` when a launch is refused
void enqueue_expert_rows(const int32_t* topk_ids, int pairs, int experts, int tile_rows, const DeviceExpertRows& out, void* scratch, cudaStream_t stream);

/// The most row tiles any routing of `pairs` over `experts` can give: the grid of a grouped GEMM.
constexpr int max_row_tiles(int pairs, int experts, int tile_rows) {
  const int groups = pairs < experts ? pairs : experts;
  // Each group adds at most one partial tile: sum of ceil(c / t) <= (pairs + groups * (t - 1)) / t.
  return static_cast<int>((static_cast<int64_t>(pairs) + static_cast<int64_t>(groups) * (tile_rows - 1)) / tile_rows);
}

#ifdef __CUDACC__
/// Where a row tile belongs: the largest e with tile_offsets[e] <= tile. The caller checked tile < tile_offsets[experts].
__device__ __forceinline__ int expert_of_tile(const int32_t* tile_offsets, int experts, int tile) {
  int low = 0;
  int high = experts;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (tile_offsets[middle] <= tile) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}
#endif

}  // namespace moe::cuda
