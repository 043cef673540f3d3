// FC1's input for the decode kernels: quantized rows in fragments.cuh's order.
#include "cuda/hopper/launch_grouped.cuh"
#include "cuda/hopper/fragments.cuh"
#include "cuda/hopper/quantized_x.cuh"
#include "cuda/hopper/work.h"

namespace moe::cuda::hopper {
namespace {

constexpr int kThreads = 128;

struct QuantizeWork {
  XSource from;
  int rows, chunks;
  uint8_t* out;
  // FC2's input rows, whose columns beyond I are made zero before FC1: weights are zero there, but 0 * NaN is not.
  uint8_t* act_rows;
  int pairs, intermediate, act_chunks;
  int32_t* arrivals;
  int arrival_count;
};

/// What a run needs zero before FC1 ends, by `count` threads of which this is `index`: FC2's rows beyond I, its counters.
__device__ __forceinline__ void clear_for_fc2(const QuantizeWork& work, int index, int count) {
  if (work.arrivals != nullptr) {
    for (int i = index; i < work.arrival_count; i += count) work.arrivals[i] = 0;
  }
  const int first = work.intermediate / 16;
  const int pad = work.act_chunks * 4 - first;
  for (int i = index; i < pad * work.pairs; i += count) {
    uint8_t* to = work.act_rows + static_cast<size_t>(i / pad) * work.act_chunks * kRowChunkBytes + row_offset((first + i % pad) * 16);
    *reinterpret_cast<uint4*>(to) = make_uint4(0, 0, 0, 0);
    *reinterpret_cast<uint4*>(to + 64) = make_uint4(0, 0, 0, 0);
  }
}

/// Grid (blocks of a row / 128, rows); a thread has one 16-block.
__global__ void __launch_bounds__(kThreads) quantize_kernel(const QuantizeWork work) {
  grid_launch_dependents();
  grid_wait();
  const int row = static_cast<int>(blockIdx.y);
  const int block = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  const int width = static_cast<int>(gridDim.x) * kThreads;
  clear_for_fc2(work, row * width + block, work.rows * width);
  if (block >= work.chunks * 4) return;
  uint32_t words[8];
  quantize_x_block(work.from, load_x_block(work.from, row, block), row, block, words);
  uint8_t* to = work.out + static_cast<size_t>(row) * work.chunks * kRowChunkBytes + row_offset(block * 16);
  *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
  *reinterpret_cast<uint4*>(to + 64) = make_uint4(words[4], words[5], words[6], words[7]);
}

}  // namespace

void enqueue_quantize(const Pass& pass, cudaStream_t stream) {
  QuantizeWork work{};
  work.from = x_source(pass);
  work.rows = pass.shared_x ? pass.tokens : pass.pairs();
  work.chunks = pass.w13.chunks;
  work.out = pass.x_rows;
  work.act_rows = pass.act_rows;
  work.pairs = pass.pairs();
  work.intermediate = pass.intermediate;
  work.act_chunks = pass.w2.chunks;
  work.arrivals = pass.arrivals;
  work.arrival_count = pass.tokens * pass.w2.units;
  // Never early: the pass before this one, or the caller's copies, must be complete.
  launch(quantize_kernel, work, dim3(static_cast<unsigned>((work.chunks * 4 + kThreads - 1) / kThreads), static_cast<unsigned>(work.rows)), kThreads, 0, false, stream, "b12x-upcast quantize");
}

}  // namespace moe::cuda::hopper
