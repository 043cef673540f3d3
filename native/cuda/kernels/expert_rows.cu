#include "cuda/kernels/expert_rows.h"

#include "cuda/kernels/launch_check.h"

namespace moe::cuda {
namespace {

/// Pairs of one block: a thread each, so that a warp's order and the warps' order are pair order.
constexpr int kChunk = 1024;
constexpr int kWarps = kChunk / 32;
/// Chunks that scan_chunks reads before it writes the first: their loads are on the way together.
constexpr int kScanStep = 16;

constexpr int chunks_of(int pairs) { return (pairs + kChunk - 1) / kChunk; }

/// Warp 0: totals[E] -> offsets[E + 1] and tile_offsets[E + 1] (where asked for).
__device__ void scan_totals(const int32_t* totals, int experts, int tile_rows, const DeviceExpertRows& out) {
  const int lane = threadIdx.x;
  int rows_before = 0;
  int tiles_before = 0;
  for (int first = 0; first < experts; first += 32) {
    const int expert = first + lane;
    const int rows = expert < experts ? totals[expert] : 0;
    const int tiles = (rows + tile_rows - 1) / tile_rows;
    int rows_to = rows;
    int tiles_to = tiles;
    for (int step = 1; step < 32; step *= 2) {
      const int more_rows = __shfl_up_sync(0xFFFFFFFFU, rows_to, step);
      const int more_tiles = __shfl_up_sync(0xFFFFFFFFU, tiles_to, step);
      if (lane >= step) {
        rows_to += more_rows;
        tiles_to += more_tiles;
      }
    }
    if (expert < experts) {
      out.offsets[expert] = rows_before + rows_to - rows;
      if (out.tile_offsets != nullptr) out.tile_offsets[expert] = tiles_before + tiles_to - tiles;
    }
    rows_before += __shfl_sync(0xFFFFFFFFU, rows_to, 31);
    tiles_before += __shfl_sync(0xFFFFFFFFU, tiles_to, 31);
  }
  if (lane == 0) {
    out.offsets[experts] = rows_before;
    if (out.tile_offsets != nullptr) out.tile_offsets[experts] = tiles_before;
  }
}

/// Histogram of one chunk into `counts` [E] (shared memory).
__device__ void count_chunk(const int32_t* ids, int pairs, int experts, int32_t* counts) {
  for (int e = threadIdx.x; e < experts; e += kChunk) counts[e] = 0;
  __syncthreads();
  const int pair = blockIdx.x * kChunk + threadIdx.x;
  if (pair < pairs) atomicAdd(counts + ids[pair], 1);
  __syncthreads();
}

/// Places a chunk's pairs: row = offsets[e] + rows of earlier chunks + of earlier warps + of earlier lanes.
/// @param earlier_chunks [E] of this chunk, nullptr for the only one
/// @param warp_counts kWarps * E bytes of shared memory
__device__ void place_chunk(const int32_t* ids, int pairs, int experts, const int32_t* earlier_chunks, uint8_t* warp_counts, const DeviceExpertRows& out) {
  for (int i = threadIdx.x; i < kWarps * experts; i += kChunk) warp_counts[i] = 0;
  __syncthreads();
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int pair = blockIdx.x * kChunk + threadIdx.x;
  const int expert = pair < pairs ? ids[pair] : -1;
  const uint32_t same = __match_any_sync(0xFFFFFFFFU, expert);
  const int rank = __popc(same & ((1U << lane) - 1U));
  if (expert >= 0 && rank == 0) warp_counts[warp * experts + expert] = static_cast<uint8_t>(__popc(same));
  __syncthreads();
  if (expert < 0) return;
  int row = out.offsets[expert] + rank + (earlier_chunks != nullptr ? earlier_chunks[expert] : 0);
  for (int w = 0; w < warp; ++w) row += warp_counts[w * experts + expert];
  out.pairs[row] = pair;
  if (out.row_of_pair != nullptr) out.row_of_pair[pair] = row;
}

__global__ void __launch_bounds__(kChunk) sort_one_chunk(const int32_t* ids, int pairs, int experts, int tile_rows, DeviceExpertRows out) {
  extern __shared__ int32_t shared[];
  count_chunk(ids, pairs, experts, shared);
  if (threadIdx.x < 32) scan_totals(shared, experts, tile_rows, out);
  __syncthreads();  // also orders the offsets in global memory within the block
  place_chunk(ids, pairs, experts, nullptr, reinterpret_cast<uint8_t*>(shared + experts), out);
}

__global__ void __launch_bounds__(kChunk) count_chunks(const int32_t* ids, int pairs, int experts, int32_t* counts) {
  extern __shared__ int32_t shared[];
  count_chunk(ids, pairs, experts, shared);
  for (int e = threadIdx.x; e < experts; e += kChunk) counts[blockIdx.x * experts + e] = shared[e];
}

/// counts [chunks, E] -> rows of earlier chunks, in place, and the offsets.
__global__ void __launch_bounds__(kChunk) scan_chunks(int32_t* counts, int chunks, int experts, int tile_rows, DeviceExpertRows out) {
  extern __shared__ int32_t totals[];
  for (int e = threadIdx.x; e < experts; e += kChunk) {
    int sum = 0;
    for (int first = 0; first < chunks; first += kScanStep) {
      int count[kScanStep];
#pragma unroll
      for (int i = 0; i < kScanStep; ++i) count[i] = first + i < chunks ? counts[(first + i) * experts + e] : 0;
#pragma unroll
      for (int i = 0; i < kScanStep; ++i) {
        if (first + i < chunks) counts[(first + i) * experts + e] = sum;
        sum += count[i];
      }
    }
    totals[e] = sum;
  }
  __syncthreads();
  if (threadIdx.x < 32) scan_totals(totals, experts, tile_rows, out);
}

__global__ void __launch_bounds__(kChunk) place_chunks(const int32_t* ids, int pairs, int experts, const int32_t* counts, DeviceExpertRows out) {
  extern __shared__ int32_t shared[];
  place_chunk(ids, pairs, experts, counts + blockIdx.x * experts, reinterpret_cast<uint8_t*>(shared), out);
}

}  // namespace

size_t expert_rows_scratch_bytes(int pairs, int experts) {
  const int chunks = chunks_of(pairs);
  return chunks > 1 ? static_cast<size_t>(chunks) * static_cast<size_t>(experts) * sizeof(int32_t) : 0;
}

void enqueue_expert_rows(const int32_t* topk_ids, int pairs, int experts, int tile_rows, const DeviceExpertRows& out, void* scratch, cudaStream_t stream) {
  const int chunks = chunks_of(pairs);
  const size_t histogram = static_cast<size_t>(experts) * sizeof(int32_t);
  const size_t ranks = static_cast<size_t>(experts) * kWarps;
  if (chunks == 1) {
    sort_one_chunk<<<1, kChunk, histogram + ranks, stream>>>(topk_ids, pairs, experts, tile_rows, out);
    check_launch("sort of routed pairs");
    return;
  }
  auto* counts = static_cast<int32_t*>(scratch);
  count_chunks<<<chunks, kChunk, histogram, stream>>>(topk_ids, pairs, experts, counts);
  scan_chunks<<<1, kChunk, histogram, stream>>>(counts, chunks, experts, tile_rows, out);
  place_chunks<<<chunks, kChunk, ranks, stream>>>(topk_ids, pairs, experts, counts, out);
  check_launch("sort of routed pairs");
}

}  // namespace moe::cuda
