// FC1's input for the wgmma kernels: quantized once a token (or pair) and stored at each of its rows, sorted by expert.
#include "cuda/hopper/launch_grouped.cuh"
#include "cuda/hopper/quantized_x.cuh"
#include "cuda/hopper/sorted_rows.cuh"
#include "cuda/hopper/work.h"

namespace moe::cuda::hopper {
namespace {

constexpr int kThreads = 128;
constexpr int kMaxTopK = 64;
constexpr int kFewTokens = 256;  ///< that take more blocks a token to fill the device

struct SortedQuantizeWork {
  XSource from;
  int pairs, experts, top_k, chunks;
  uint8_t* out;
  int32_t* pair_of_row;
};

constexpr int quantize_shared_bytes(int experts, int chunks) { return chunks * 128 + 2 * experts * 4; }

/// Where a 16-byte piece of a row lies in shared memory: swizzled, so that a warp's blocks fall on different banks.
__device__ __forceinline__ int piece_at(int chunk, int piece) { return chunk * 128 + ((piece ^ chunk) & 7) * 16; }

/// Grid (parts of a row, tokens).
__global__ void __launch_bounds__(kThreads) sorted_quantize_kernel(const SortedQuantizeWork work) {
  extern __shared__ __align__(128) uint8_t row_image[];
  __shared__ uint32_t totals[kThreads / 32];
  __shared__ int experts[kMaxTopK];      // of this token's pairs
  __shared__ int rows[kMaxTopK];         // and where they lie, sorted
  __shared__ int row_padding[kMaxTopK];  // rows after it that no pair has
  grid_launch_dependents();
  const int first_chunk = work.chunks * static_cast<int>(blockIdx.x) / static_cast<int>(gridDim.x);
  const int chunks = work.chunks * (static_cast<int>(blockIdx.x) + 1) / static_cast<int>(gridDim.x) - first_chunk;  // of this part
  uint32_t* counts = reinterpret_cast<uint32_t*>(row_image + chunks * 128);  // of all pairs; of those before this token in the high half
  uint32_t* first_group = counts + work.experts;
  const int thread = static_cast<int>(threadIdx.x);
  const int token = static_cast<int>(blockIdx.y);
  const int first_pair = token * work.top_k;
  grid_wait();
  // x is asked for before anything waits.
  const int quantized = work.from.rows_per_token;  // rows of this token
  const XBlock first_block = load_x_block(work.from, token * quantized, first_chunk * 4 + thread);
  count_pairs<kThreads>(work.from.topk_ids, work.pairs, work.experts, counts, [&](int pair, int expert) {
    if (pair >= first_pair && pair < first_pair + work.top_k) experts[pair - first_pair] = expert;
    return pair < first_pair ? 0x10001U : 1U;
  });
  place_experts<kThreads>(counts, work.experts, kGroupRows, totals, [&](int expert, int, int group, int) { first_group[expert] = static_cast<uint32_t>(group); });
  __syncthreads();
  if (thread < work.top_k) {
    const int expert = experts[thread];
    int rank = static_cast<int>(counts[expert] >> 16U);
    for (int slot = 0; slot < thread; ++slot) rank += experts[slot] == expert ? 1 : 0;
    const int count = static_cast<int>(counts[expert] & 0xFFFFU);
    rows[thread] = static_cast<int>(first_group[expert]) * kGroupRows + rank;
    row_padding[thread] = rank == count - 1 ? (kGroupRows - count % kGroupRows) % kGroupRows : 0;
    if (blockIdx.x == 0) work.pair_of_row[rows[thread]] = first_pair + thread;
  }

  // A warp writes four chunks of a row at a time, 128 bytes each.
  const auto store = [&](int row, int piece, uint4 value) {
    uint8_t* group = work.out + (static_cast<size_t>(row / kGroupRows) * work.chunks + first_chunk + piece / kRowPieces) * kGroupChunkBytes;
    *reinterpret_cast<uint4*>(group + piece_offset(row % kGroupRows, piece % kRowPieces)) = value;
  };
  for (int r = 0; r < quantized; ++r) {
    for (int block = thread; block < chunks * 4; block += kThreads) {
      uint32_t words[8];
      const int row = token * quantized + r;
      const int of_row = first_chunk * 4 + block;
      quantize_x_block(work.from, r == 0 && block == thread ? first_block : load_x_block(work.from, row, of_row), row, of_row, words);
#pragma unroll
      for (int j = 0; j < kRowPieces; ++j) *reinterpret_cast<uint32_t*>(row_image + piece_at(block / 4, j) + block % 4 * 4) = words[j];
    }
    __syncthreads();
    const int first = quantized == 1 ? 0 : r;
    const int last = quantized == 1 ? work.top_k : r + 1;
    for (int piece = thread; piece < chunks * kRowPieces; piece += kThreads) {
      const uint4 value = *reinterpret_cast<const uint4*>(row_image + piece_at(piece / kRowPieces, piece % kRowPieces));
#pragma unroll 4
      for (int slot = first; slot < last; ++slot) store(rows[slot], piece, value);
    }
    __syncthreads();
  }
  // Rows that pad a group are multiplied too: zero, so that no run reads what none wrote.
  for (int slot = 0; slot < work.top_k; ++slot) {
    for (int padding = 1; padding <= row_padding[slot]; ++padding) {
      for (int piece = thread; piece < chunks * kRowPieces; piece += kThreads) store(rows[slot] + padding, piece, make_uint4(0, 0, 0, 0));
    }
  }
}

}  // namespace

void enqueue_sorted_quantize(const Pass& pass, cudaStream_t stream) {
  SortedQuantizeWork work{};
  work.from = x_source(pass);
  work.pairs = pass.pairs();
  work.experts = pass.experts;
  work.top_k = pass.top_k;
  work.chunks = pass.w13.chunks;
  work.out = pass.x_rows;
  work.pair_of_row = pass.pair_of_row;
  // Never early: the pass before this one, or the caller's copies, must be complete.
  // A thread has a 16-block or two, or half of them none.
  const int parts = std::max(1, work.chunks * 4 / (pass.tokens <= kFewTokens ? kThreads / 2 : 2 * kThreads));
  launch(sorted_quantize_kernel, work, dim3(static_cast<unsigned>(parts), static_cast<unsigned>(pass.tokens)), kThreads, quantize_shared_bytes(work.experts, (work.chunks + parts - 1) / parts), false, stream, "b12x-upcast quantize, sorted");
}

}  // namespace moe::cuda::hopper
