#include "cuda/cutlass/quantized_chunk.cuh"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::cutlass_path {
namespace {

constexpr int kThreads = 128;

/// A block takes kThreads * 8 columns of a token and writes them to the rows of all its slots.
template <class Sink>
__global__ void __launch_bounds__(kThreads) expand_rows(ExpandRows work, Sink sink) {
  const int64_t token = blockIdx.x;
  const int column = (blockIdx.y * kThreads + threadIdx.x) * kChunk;
  const bool active = column < work.hidden;
  const uint4 bits = active ? *reinterpret_cast<const uint4*>(work.x + token * work.hidden + column) : make_uint4(0, 0, 0, 0);
  float x[kChunk];
  unpack_chunk(bits, x);
  const int64_t first = token * work.top_k;
  if (work.shared_quantizer) {
    const ScaledChunk chunk = scale_chunk(x, work.quantizer[0]);
    if (!active) return;
    const typename Sink::Packed packed = Sink::pack(chunk);
    store_tap(work.x_q, work.x_sf, token, work.hidden, column, chunk);
#pragma unroll 8
    for (int slot = 0; slot < work.top_k; ++slot) sink.store(work.rows.row_of_pair[first + slot], work.topk_ids[first + slot], column, packed);
    return;
  }
  for (int64_t pair = first; pair < first + work.top_k; ++pair) {
    const int expert = work.topk_ids[pair];
    const ScaledChunk chunk = scale_chunk(x, work.quantizer[expert]);
    if (!active) continue;
    store_tap(work.x_q, work.x_sf, pair, work.hidden, column, chunk);
    sink.store(work.rows.row_of_pair[pair], expert, column, Sink::pack(chunk));
  }
}

}  // namespace

void enqueue_expand_rows(const ExpandRows& work, cudaStream_t stream) {
  const int columns = kThreads * kChunk;
  const dim3 grid(static_cast<unsigned>(work.tokens), static_cast<unsigned>((work.hidden + columns - 1) / columns));
  const int64_t pairs = static_cast<int64_t>(work.tokens) * work.top_k;
  with_sink(work.out, work.rows, pairs, work.hidden, [&](auto sink) { expand_rows<<<grid, kThreads, 0, stream>>>(work, sink); });
  check_launch("expansion and quantization of x");
}

}  // namespace moe::cuda::cutlass_path
