#include "cuda/hopper/fused_roles.cuh"
#include "cuda/hopper/launch_grouped.cuh"

namespace moe::cuda::hopper {
namespace {

/// Each block: groups the pairs; asks for its first weights; quantizes the rows of x that its FC1 tiles need; runs its FC1
/// items; passes the border behind which all FC2 input rows are there; runs its FC2 items, whose results go to the first
/// block of the cluster; that one adds the slots up. All blocks must be on the device at once.
/// Warps: `groups` times four that multiply, one that asks for weights, three that finish items.
template <bool kGated, BlockQuantizer kQuantizer>
__global__ void __launch_bounds__(kFusedThreads, 1) fused_kernel(const __grid_constant__ FusedWork work) {
  extern __shared__ __align__(128) uint8_t shared[];
  const int thread = static_cast<int>(threadIdx.x);
  const int threads = static_cast<int>(blockDim.x);
  const int warp = thread / 32;
  const int producer = work.plan.groups * kGroupWarps;
  const FusedLayout& at = work.plan.layout;
  FusedBlock block;
  block.routing = {reinterpret_cast<uint32_t*>(shared + at.keys), reinterpret_cast<uint16_t*>(shared + at.pairs), shared + at.starts, reinterpret_cast<RowTile*>(shared + at.tiles), reinterpret_cast<int*>(shared + at.misc)};
  block.barriers.base = shared_address(shared);
  block.rows = shared + at.region;
  block.weights = reinterpret_cast<float*>(shared + at.weights);
  block.scales = reinterpret_cast<float*>(shared + at.scales);  // by tile: FC1's multiplier, FC2's quantizer, FC2's multiplier
  block.partials = reinterpret_cast<float*>(shared + at.partials);
#pragma unroll 1
  for (int i = thread; i < work.pairs; i += threads) {
    block.routing.keys[i] = static_cast<uint32_t>(work.topk_ids[i]) * kMaxFusedPairs + static_cast<uint32_t>(i);
    block.weights[i] = work.topk_weights[i];
  }
  uint32_t before = 0;
  if (thread == (producer + 1) * 32) before = border_before(work.border);
  // What the blocks read later, before the weights are in its way: x and the factors of the experts, a line a thread.
  const size_t line = (static_cast<size_t>(thread) * gridDim.x + blockIdx.x) * 128;
  if (line < static_cast<size_t>(work.tokens) * work.hidden * 2) prefetch_line(reinterpret_cast<const uint8_t*>(work.x.x) + line);
  if (line < work.experts * sizeof(float)) {
    for (const float* factors : {work.x.global_scales, work.fc1.multiplier, work.fc1.act_quantizer, work.fc2_multiplier}) prefetch_line(reinterpret_cast<const uint8_t*>(factors) + line);
  }
  for (int i = thread; i < FusedBarriers::kCount; i += threads) {
    const bool by_group = (i >= FusedBarriers::kEmpty && i < FusedBarriers::kSummed) || (i >= FusedBarriers::kSummed && i < FusedBarriers::kTaken);
    barrier_init(block.barriers.at(i), by_group ? kGroupWarps : 1);
  }
  barrier_init_fence();
  __syncthreads();
  group_few_pairs(block.routing, work.pairs, work.plan.tile_rows);
  const int tile_count = *block.routing.tile_count;
  block.share = share_of(work, block.routing.tiles, tile_count);
  const FusedShare& share = block.share;
  int rows_here = 0;
  if (share.fc1_items > 0) {
    const RowTile last = block.routing.tiles[(share.fc1_first + share.fc1_items - 1) / work.fc1_units];
    rows_here = last.first() + last.rows() - share.first_row;
  }
  block.row_stride = work.fc1_chunks * kRowChunkBytes + kRowPad;
  const int sums = share.fc2_units * work.pairs * kUnitRows * 4;
  const int region = (max(rows_here * block.row_stride, sums) + 127) / 128 * 128;
  block.ring = block.rows + region;
  block.slot_bytes = kGroupWarps * work.plan.stage_chunks * kChunkBytes;
  block.slots = min(work.plan.slots, (at.total - at.region - region) / block.slot_bytes) / work.plan.groups;

  if (warp == producer) {
    produce(work, block);
    return;
  }
  const int helpers = threads - 32;
  const int helper = thread < producer * 32 ? thread : thread - 32;
  for (int i = helper; i < tile_count; i += helpers) {
    const int expert = block.routing.tiles[i].expert();
    block.scales[3 * i] = work.fc1.multiplier[expert];
    block.scales[3 * i + 1] = work.fc1.global_scale(expert);
    block.scales[3 * i + 2] = work.fc2_multiplier[expert];
  }
  quantize_rows<kQuantizer>(work, share, block.routing.pairs, block.rows, rows_here, block.row_stride, helper, helpers);
  named_barrier(1, helpers);
  if (warp < producer) {
    multiply(work, block, warp / kGroupWarps, warp % kGroupWarps);
    cluster_arrive_empty();
  } else {
    finish<kGated, kQuantizer>(work, block, warp - producer - 1, before);
    cluster_arrive();
  }
  cluster_wait();
  if (share.rank == 0) finalize_units(work, share, reinterpret_cast<const float*>(block.rows), block.weights, helper / 32, helpers / 32);
}

/// Above it, as a multiple of even shares, the separate kernels are faster from two tokens on (measured with H1024 I2688 E512
/// k22 relu2 on an H100, where it is 1.3).
constexpr double kWorstBalance = 1.1;

using FusedKernel = void (*)(FusedWork);

cudaLaunchConfig_t configure(int blocks, const FusedPlan& plan, int cluster, bool cooperative, cudaLaunchAttribute (&attributes)[2], cudaStream_t stream) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>((plan.groups * kGroupWarps + 1 + kFinishers) * 32));
  config.dynamicSmemBytes = static_cast<size_t>(plan.layout.total);
  config.stream = stream;
  config.attrs = attributes;
  if (cluster > 1) {
    attributes[config.numAttrs].id = cudaLaunchAttributeClusterDimension;
    attributes[config.numAttrs].val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
    ++config.numAttrs;
  }
  if (cooperative) {
    attributes[config.numAttrs].id = cudaLaunchAttributeCooperative;
    attributes[config.numAttrs].val.cooperative = 1;
    ++config.numAttrs;
  }
  return config;
}

}  // namespace

bool enqueue_fused(const Pass& pass, const FusedTuning& tuning, cudaStream_t stream) {
  constexpr const char* kName = "b12x-upcast fused";
  const bool micro = pass.quantizer == BlockQuantizer::kDirectMicro;
  const FusedKernel kernel = pass.gated ? (micro ? fused_kernel<true, BlockQuantizer::kDirectMicro> : fused_kernel<true, BlockQuantizer::kB12xFast>)
                                        : (micro ? fused_kernel<false, BlockQuantizer::kDirectMicro> : fused_kernel<false, BlockQuantizer::kB12xExact>);
  FusedGrid grid;
  FusedPlan plan;
  double least = 0;
  cudaLaunchAttribute attributes[2]{};
  for (const int cluster : {1, 2, 4, 8}) {
    if (tuning.cluster != 0 && tuning.cluster != cluster) continue;
    FusedGrid wanted{cluster, pass.sm_count / cluster * cluster};
    FusedPlan fitting = plan_fused(pass, tuning, wanted);
    if (!fitting.fits) continue;
    if (cluster > 1) {
      // A GPC's SMs are not always a multiple of the cluster.
      check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, fitting.layout.total), kName);
      int clusters = 0;
      const cudaLaunchConfig_t asked = configure(wanted.blocks, fitting, cluster, false, attributes, stream);
      check_cuda(cudaOccupancyMaxActiveClusters(&clusters, kernel, &asked), kName);
      wanted.blocks = std::min(wanted.blocks, clusters * cluster);
      fitting = plan_fused(pass, tuning, wanted);
      if (!fitting.fits) continue;
    }
    const double load = busiest_block(pass, wanted);
    if (grid.blocks != 0 && load >= least) continue;
    grid = wanted;
    plan = fitting;
    least = load;
  }
  if (grid.blocks == 0) return false;
  if (tuning.use <= 0 && pass.tokens > 1 && least > kWorstBalance * busiest_block(pass, {0, pass.sm_count})) return false;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, plan.layout.total), kName);
  FusedWork work{};
  work.w13 = pass.w13.data;
  work.w2 = pass.w2.data;
  work.topk_ids = pass.topk_ids;
  work.topk_weights = pass.topk_weights;
  work.x = x_source(pass);
  work.fc1 = fc1_output(pass);
  work.fc2_multiplier = pass.fc2_multiplier;
  work.fc2_tap = pass.fc2_tap;
  work.y = pass.y;
  work.border = pass.border;
  work.tokens = pass.tokens;
  work.top_k = pass.top_k;
  work.pairs = pass.pairs();
  work.experts = pass.experts;
  work.hidden = pass.hidden;
  work.intermediate = pass.intermediate;
  work.fc1_units = pass.w13.units;
  work.fc1_chunks = pass.w13.chunks;
  work.fc2_units = pass.w2.units;
  work.fc2_chunks = pass.w2.chunks;
  work.cluster = grid.cluster;
  work.plan = plan;
  const cudaLaunchConfig_t config = configure(grid.blocks, plan, grid.cluster, true, attributes, stream);
  check_cuda(cudaLaunchKernelEx(&config, kernel, work), kName);
  return true;
}

}  // namespace moe::cuda::hopper
