// FC1's input: bf16 rows to fp16 rows of code * SF (quantize_block.cuh).
#include "cuda/hopper/launch_grouped.cuh"
#include "cuda/hopper/quantize_block.cuh"
#include "cuda/hopper/work.h"

namespace moe::cuda::hopper {
namespace {

constexpr int kThreads = 128;

/// Grid (blocks of a row / 128, rows); a thread has one 16-block.
__global__ void __launch_bounds__(kThreads) quantize_kernel(const QuantizeWork work) {
  grid_launch_dependents();
  grid_wait();
  const int row = static_cast<int>(blockIdx.y);
  const int block = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  const int width = static_cast<int>(gridDim.x) * kThreads;
  clear_for_fc2(work, row * width + block, work.rows * width);
  if (block < work.chunks * 4) quantize_x_block(work, row, block, work.out + static_cast<size_t>(row) * work.chunks * kRowChunkBytes + row_offset(block * 16), true);
}

}  // namespace

QuantizeWork quantize_work(const Pass& pass) {
  QuantizeWork work{};
  work.x = pass.x;
  work.topk_ids = pass.topk_ids;
  work.global_scales = pass.fc1_quantizer;
  work.quantizer = pass.quantizer;
  work.inverts_scale = pass.inverts_scale;
  work.shared_scale = pass.shared_x;
  work.rows = pass.shared_x ? pass.tokens : pass.pairs();
  work.pairs_per_row = pass.shared_x ? pass.top_k : 1;
  work.rows_per_token = pass.shared_x ? 1 : pass.top_k;
  work.top_k = pass.top_k;
  work.hidden = pass.hidden;
  work.chunks = pass.w13.chunks;
  work.out = pass.x_rows;
  work.x_q = pass.x_q;
  work.x_sf = pass.x_sf;
  work.act_rows = pass.act_rows;
  work.pairs = pass.pairs();
  work.intermediate = pass.intermediate;
  work.act_chunks = pass.w2.chunks;
  work.arrivals = pass.arrivals;
  work.arrival_count = pass.tokens * pass.w2.units;
  return work;
}

void enqueue_quantize(const Pass& pass, cudaStream_t stream) {
  const QuantizeWork work = quantize_work(pass);
  // Never early: the pass before this one, or the caller's copies, must be complete.
  launch(quantize_kernel, work, dim3(static_cast<unsigned>((work.chunks * 4 + kThreads - 1) / kThreads), static_cast<unsigned>(work.rows)), kThreads, 0, false, stream, "b12x-upcast quantize");
}

}  // namespace moe::cuda::hopper
