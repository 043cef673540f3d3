// The kernel behind expert_gemm.h. A CTA takes 256 rows of weights (MMA's M: two warp groups of 128) by up to N tokens; two
// CTAs of a cluster share the tokens, each loading half of them into both. Three rings in shared memory: NVFP4 panels of
// weights and tokens that two threads load, and upcast weights that one or two warp groups make of the former.
#pragma once

// Assertions are calls, and wgmma is serialised around a call (ptxas C7510).
#ifndef NDEBUG
#define NDEBUG
#endif
#define CUTE_SM90_EXTENDED_MMA_SHAPES_ENABLED

#include <cuda.h>
#include <cute/arch/cluster_sm90.hpp>
#include <cute/arch/copy_sm90_tma.hpp>
#include <cute/arch/mma_sm90.hpp>
#include <cute/arch/mma_sm90_gmma.hpp>
#include <cute/arch/mma_sm90_gmma_ext.hpp>
#include <cutlass/arch/barrier.h>
#include <cutlass/arch/reg_reconfig.h>

#include <string>
#include <utility>

#include "cuda/cutlass/sm90_epilogue.cuh"
#include "cuda/cutlass/sm90_upcast.cuh"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::cutlass_path {
namespace {

constexpr int kSharedLimit = 232448;  ///< Hopper's opt-in bytes of a block
constexpr int kRegisters = 65536;      ///< of an SM

/// What the two kinds of tile are made of. Registers are those of a thread of each role.
template <int N>
struct Kind;
template <>
struct Kind<64> {
  static constexpr int kUpcastGroups = 2;
  static constexpr int kLoadRegisters = 40, kUpcastRegisters = 88, kMultiplyRegisters = 128;
  static constexpr int kWeightStages = 3, kTokenStages = 6, kPackedStages = 8;
  using Widths = std::integer_sequence<int, 32, 48, 64>;
};
template <>
struct Kind<144> {
  static constexpr int kUpcastGroups = 1;
  static constexpr int kLoadRegisters = 24, kUpcastRegisters = 72, kMultiplyRegisters = 208;
  static constexpr int kWeightStages = 3, kTokenStages = 5, kPackedStages = 4;
  using Widths = std::integer_sequence<int, 48, 96, 112, 128, 136, 144>;
};

/// Threads: a warp group that loads, those that upcast, those that multiply.
template <int N>
struct Threads {
  static constexpr int kUpcastWarps = 4 * Kind<N>::kUpcastGroups;
  static constexpr int kAll = 128 * (1 + Kind<N>::kUpcastGroups + kGroups);
  static constexpr int kAtLaunch = kRegisters / kAll / 8 * 8;
  static_assert(Kind<N>::kLoadRegisters + Kind<N>::kUpcastGroups * Kind<N>::kUpcastRegisters + kGroups * Kind<N>::kMultiplyRegisters <= kAll / 128 * kAtLaunch,
                "setmaxnreg would wait for ever");
};

/// A ring's barriers: `full` of a stage that was written, `empty` of one that was read.
template <int Stages>
struct Barriers {
  cutlass::arch::ClusterTransactionBarrier full[Stages];
  cutlass::arch::ClusterBarrier empty[Stages];
  __device__ __forceinline__ void init(uint32_t writers, uint32_t readers) {
    for (int i = 0; i < Stages; ++i) {
      full[i].init(writers);
      empty[i].init(readers);
    }
  }
};

template <int N>
struct Shared {
  uint8_t weights[Kind<N>::kWeightStages][kGroups * kBlockBytes];
  uint8_t tokens[Kind<N>::kTokenStages][N * kPanelRowBytes];
  uint8_t packed[Kind<N>::kPackedStages][kGroups * kPanelBytes];
  Barriers<Kind<N>::kWeightStages> weights_ring;
  Barriers<Kind<N>::kTokenStages> tokens_ring;
  Barriers<Kind<N>::kPackedStages> packed_ring;
  TileTable table;
};

struct Params {
  Schedule schedule;
  const uint8_t* weights;
  const float* multiplier;
  int pairs, k_panels;
};

/// wgmma's descriptor of K-major rows of 128 bytes, swizzled by 128 bytes: groups of 8 rows are 1024 bytes apart (PTX ISA,
/// "Matrix descriptor").
__device__ __forceinline__ uint64_t operand_descriptor(const void* shared) {
  const uint64_t address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  return (address & 0x3FFFFU) >> 4U | uint64_t{1} << 16U | uint64_t{64} << 32U | uint64_t{1} << 62U;
}

template <int W>
struct Mma;
#define MOESCOPE_MMA(W) \
  template <>           \
  struct Mma<W> : cute::SM90::GMMA::MMA_64x##W##x16_F32BF16BF16_SS<cute::SM90::GMMA::Major::K, cute::SM90::GMMA::Major::K> {};
MOESCOPE_MMA(32)
MOESCOPE_MMA(48)
MOESCOPE_MMA(64)
MOESCOPE_MMA(96)
MOESCOPE_MMA(112)
MOESCOPE_MMA(128)
MOESCOPE_MMA(136)
MOESCOPE_MMA(144)
#undef MOESCOPE_MMA

template <int W, int N, size_t... I>
__device__ __forceinline__ void mma(uint64_t a, uint64_t b, float (&d)[N / 2], bool accumulate, std::index_sequence<I...>) {
  Mma<W>::fma(a, b, d[I]..., accumulate ? cute::SM90::GMMA::ScaleOut::One : cute::SM90::GMMA::ScaleOut::Zero);
}

/// Position in the ring of stages.
template <int Stages>
struct Ring {
  int stage = 0;
  uint32_t phase = 0;
  __device__ __forceinline__ void next() {
    if (++stage == Stages) {
      stage = 0;
      phase ^= 1U;
    }
  }
};

/// The tiles of this cluster and the CTA's place in it.
struct Turn {
  int first, step, total;
  uint32_t rank;
};

/// One thread: NVFP4 panels of the CTA's two blocks.
template <int N>
__device__ __forceinline__ void load_weights(Shared<N>& s, const Params& p, const Turn& turn) {
  Ring<Kind<N>::kPackedStages> ring;
  const int64_t block_stride = static_cast<int64_t>(p.k_panels) * kPanelBytes;
  for (int index = turn.first; index < turn.total; index += turn.step) {
    const Tile tile = find_tile(p.schedule, s.table, index, turn.rank);
    const int blocks = min(kGroups, max(0, p.schedule.blocks - tile.block));
    const uint8_t* panel = p.weights + (static_cast<int64_t>(tile.expert) * p.schedule.blocks + tile.block) * block_stride;
#pragma unroll 1
    for (int k = 0; k < p.k_panels; ++k, panel += kPanelBytes, ring.next()) {
      auto& full = s.packed_ring.full[ring.stage];
      s.packed_ring.empty[ring.stage].wait(ring.phase ^ 1U);
      full.arrive_and_expect_tx(static_cast<uint32_t>(blocks * kPanelBytes));
      for (int block = 0; block < blocks; ++block) {
        cute::SM90_BULK_COPY_G2S::copy(panel + block * block_stride, reinterpret_cast<uint64_t*>(&full), s.packed[ring.stage] + block * kPanelBytes, kPanelBytes);
      }
    }
  }
}

/// One thread: this CTA's half of the tokens into both CTAs. Rows are side by side for it: a copy for each row of tokens that
/// were quantized once, in place of their expansion, saved 43 us there and cost 130 us here (Qwen3-30B-A3B, T = 4096, H100).
template <int N>
__device__ __forceinline__ void load_tokens(Shared<N>& s, const Params& p, const Turn& turn, const CUtensorMap& rows) {
  constexpr int kHalf = N / kCluster;
  Ring<Kind<N>::kTokenStages> ring;
  const int at = static_cast<int>(turn.rank) * kHalf;
  for (int index = turn.first; index < turn.total; index += turn.step) {
    int row = find_tile(p.schedule, s.table, index, turn.rank).first_row + at;
#pragma unroll 1
    for (int k = 0; k < p.k_panels; ++k, row += p.pairs, ring.next()) {
      auto& full = s.tokens_ring.full[ring.stage];
      s.tokens_ring.empty[ring.stage].wait(ring.phase ^ 1U);
      full.arrive_and_expect_tx(N * kPanelRowBytes);
      cute::SM90_TMA_LOAD_MULTICAST_2D::copy(&rows, reinterpret_cast<uint64_t*>(&full), uint16_t{(1U << kCluster) - 1U},
                                             static_cast<uint64_t>(cute::TMA::CacheHintSm90::EVICT_NORMAL), s.tokens[ring.stage] + at * kPanelRowBytes, 0, row);
    }
  }
}

/// @param thread of the upcasting warp groups: one of them takes a row of both blocks, two take a block each.
template <int N>
__device__ __forceinline__ void upcast_weights(Shared<N>& s, const Params& p, const Turn& turn, int thread) {
  constexpr int kBlocks = kGroups / Kind<N>::kUpcastGroups;
  const int row = thread % kWeightBlock;
  const int first_block = thread / kWeightBlock * kBlocks;
  const bool leads = thread % 32 == 0;
  const int turns = turn.first < turn.total ? (turn.total - turn.first - 1) / turn.step + 1 : 0;
  Ring<Kind<N>::kPackedStages> from;
  Ring<Kind<N>::kWeightStages> to;
#pragma unroll 1
  for (int step = turns * p.k_panels; step > 0; --step, from.next(), to.next()) {
    s.packed_ring.full[from.stage].wait(from.phase);
    PanelRow packed[kBlocks];
#pragma unroll
    for (int i = 0; i < kBlocks; ++i) packed[i] = read_panel_row(s.packed[from.stage] + (first_block + i) * kPanelBytes, row);
    const UpcastRow first = upcast(packed[0]);
    // The first row is ready when the stage is: what is left is to write it.
    s.weights_ring.empty[to.stage].wait(to.phase ^ 1U);
    uint8_t* blocks = s.weights[to.stage] + first_block * kBlockBytes;
    store_row(first, row, blocks);
#pragma unroll
    for (int i = 1; i < kBlocks; ++i) store_row(upcast(packed[i]), row, blocks + i * kBlockBytes);
    // wgmma reads, and the next panel comes, through the async proxy: what was read and written here must be over for it.
    cutlass::arch::fence_view_async_shared();
    __syncwarp();
    if (!leads) continue;
    s.packed_ring.empty[from.stage].arrive();
    s.weights_ring.full[to.stage].arrive();
  }
}

/// Where a multiplying warp group reads.
template <int N>
struct ReadRings {
  Ring<Kind<N>::kWeightStages> weights;
  Ring<Kind<N>::kTokenStages> tokens;
  __device__ __forceinline__ void next() {
    weights.next();
    tokens.next();
  }
};

/// Frees the stages: tokens in both CTAs, as each loads into both. Weights by each warp, when its own MMA is over: warps of a
/// group may be apart, and the next weights are waiting to be written.
template <int N>
__device__ __forceinline__ void release(Shared<N>& s, const ReadRings<N>& read) {
  const int thread = static_cast<int>(threadIdx.x) % 128;
  if (thread < kCluster) s.tokens_ring.empty[read.tokens.stage].arrive(static_cast<uint32_t>(thread));
  if (thread % 32 == 0) s.weights_ring.empty[read.weights.stage].arrive();
}

/// The sums of a tile of up to W tokens. `meanwhile` is called while the last MMA runs.
template <int W, int N, class Meanwhile>
__device__ __forceinline__ void multiply_tile(Shared<N>& s, int k_panels, ReadRings<N>& read, int group, float (&d)[2][N / 2], const Meanwhile& meanwhile) {
  ReadRings<N> previous;
#pragma unroll 1
  for (int k = 0; k < k_panels; ++k) {
    s.tokens_ring.full[read.tokens.stage].wait(read.tokens.phase);
    s.weights_ring.full[read.weights.stage].wait(read.weights.phase);
    const uint64_t a = operand_descriptor(s.weights[read.weights.stage] + group * kBlockBytes);
    const uint64_t b = operand_descriptor(s.tokens[read.tokens.stage]);
    cute::warpgroup_arrive();
#pragma unroll
    for (int step = 0; step < kPanel / 16; ++step) {
      // In units of 16 bytes: 16 elements of K are 2, 64 rows are 512.
      mma<W, N>(a + 2 * step, b + 2 * step, d[0], k + step != 0, std::make_index_sequence<W / 2>{});
      mma<W, N>(a + 512 + 2 * step, b + 2 * step, d[1], k + step != 0, std::make_index_sequence<W / 2>{});
    }
    cute::warpgroup_commit_batch();
    cute::warpgroup_wait<1>();
    if (k > 0) release(s, previous);
    previous = read;
    read.next();
  }
  meanwhile();
  cute::warpgroup_wait<0>();
  release(s, previous);
}

/// With the least MMA that takes `width` tokens.
template <int N, class Meanwhile, int W, int... Wider>
__device__ __forceinline__ void multiply_width(Shared<N>& s, int width, int k_panels, ReadRings<N>& read, int group, float (&d)[2][N / 2],
                                               const Meanwhile& meanwhile, std::integer_sequence<int, W, Wider...>) {
  if constexpr (sizeof...(Wider) > 0) {
    if (width > W) return multiply_width(s, width, k_panels, read, group, d, meanwhile, std::integer_sequence<int, Wider...>{});
  }
  multiply_tile<W>(s, k_panels, read, group, d, meanwhile);
}

template <int N, class Epilogue>
__device__ __forceinline__ void multiply(Shared<N>& s, const Params& p, const Turn& turn, int group, const Epilogue& epilogue) {
  ReadRings<N> read;
  const int thread = static_cast<int>(threadIdx.x) % 128;
  if (turn.first >= turn.total) return;
  Tile next = find_tile(p.schedule, s.table, turn.first, turn.rank);
  for (int index = turn.first; index < turn.total; index += turn.step) {
    const Tile tile = next;
    const TilePart part{tile.first_row, tile.rows, tile.block + group};
    float multiplier = 0;
    typename Epilogue::Constants constants;
    float d[2][N / 2];
    multiply_width(s, tile.width, p.k_panels, read, group, d,
                   [&] {
                     multiplier = __fmul_rn(__ldg(p.multiplier + tile.expert), 1.0F / kImageFactor);
                     constants = epilogue.constants(tile.expert);
                     if (index + turn.step < turn.total) next = find_tile(p.schedule, s.table, index + turn.step, turn.rank);
                   },
                   typename Kind<N>::Widths{});
    epilogue.template operator()<N>(d, part, multiplier, constants, thread / 32, thread % 32);
  }
}

template <int N, class Epilogue>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(Threads<N>::kAll, 1)
    expert_gemm(const __grid_constant__ Params p, const __grid_constant__ CUtensorMap rows, const __grid_constant__ Epilogue epilogue) {
  extern __shared__ __align__(1024) uint8_t raw[];
  Shared<N>& s = *reinterpret_cast<Shared<N>*>(raw);
  const int warp = __shfl_sync(0xFFFFFFFFU, static_cast<int>(threadIdx.x) / 32, 0);
  if (threadIdx.x == 0) {
    s.packed_ring.init(1, Threads<N>::kUpcastWarps);
    s.tokens_ring.init(1, kGroups * kCluster);
    s.weights_ring.init(Threads<N>::kUpcastWarps, 4 * kGroups);
    cutlass::arch::fence_barrier_init();
  }
  if (warp == 1) fill_table(p.schedule, N, s.table);
  __syncthreads();
  cute::cluster_sync();

  const Turn turn{static_cast<int>(blockIdx.x) / kCluster, static_cast<int>(gridDim.x) / kCluster, s.table.tiles[p.schedule.experts] * p.schedule.clusters_along_n(),
                  cute::block_rank_in_cluster()};
  constexpr int kUpcastGroups = Kind<N>::kUpcastGroups;
  const int warp_group = warp / 4;
  if (warp_group == 0) {
    cutlass::arch::warpgroup_reg_dealloc<Kind<N>::kLoadRegisters>();
    if (warp == 0 && cute::elect_one_sync()) {
      load_tokens(s, p, turn, rows);
    } else if (warp == 1 && cute::elect_one_sync()) {
      load_weights(s, p, turn);
    }
  } else if (warp_group <= kUpcastGroups) {
    cutlass::arch::warpgroup_reg_dealloc<Kind<N>::kUpcastRegisters>();
    upcast_weights(s, p, turn, static_cast<int>(threadIdx.x) - 128);
  } else {
    cutlass::arch::warpgroup_reg_alloc<Kind<N>::kMultiplyRegisters>();
    multiply(s, p, turn, warp_group - 1 - kUpcastGroups, epilogue);
  }
  __syncwarp();
  // Neither CTA ends while the other may still write into it.
  cute::cluster_sync();
}

using EncodeTiled = decltype(&cuTensorMapEncodeTiled);

/// The driver's function through the runtime, so that the library does not link to libcuda.
inline EncodeTiled encode_tiled() {
  static const EncodeTiled function = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    constexpr unsigned kFirstVersion = 12000;
    check_cuda(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, kFirstVersion, cudaEnableDefault, &result), "looking for cuTensorMapEncodeTiled");
    return reinterpret_cast<EncodeTiled>(found);
  }();
  return function;
}

/// Rows of 64 elements, read `box_rows` at a time and swizzled.
inline CUtensorMap panel_map(const uint16_t* data, int64_t rows, int box_rows) {
  CUtensorMap map;
  const cuuint64_t extents[2] = {kPanel, static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[1] = {kPanelRowBytes};
  const cuuint32_t box[2] = {kPanel, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  const CUresult result = encode_tiled()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<uint16_t*>(data), extents, strides, box, steps,
                                         CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                                         CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw Error(code::kInternal, "the driver refuses the tensor map of the grouped GEMM: CUresult " + std::to_string(static_cast<int>(result)));
  return map;
}

template <int N, class Epilogue>
void launch_expert_gemm(const ExpertGemm& work, bool gated, const Epilogue& epilogue, int sm_count, cudaStream_t stream) {
  const int k_panels = panels(work.k);
  const Params params{{work.offsets, work.experts, weight_blocks(work.n, gated)}, work.weights, work.multiplier, work.pairs, k_panels};
  const CUtensorMap rows = panel_map(work.rows, static_cast<int64_t>(k_panels) * work.pairs, N / kCluster);
  static_assert(sizeof(Shared<N>) <= kSharedLimit);
  const auto kernel = expert_gemm<N, Epilogue>;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(Shared<N>)), "shared memory of the grouped GEMM");
  kernel<<<sm_count / kCluster * kCluster, Threads<N>::kAll, sizeof(Shared<N>), stream>>>(params, rows, epilogue);
  check_launch("grouped GEMM");
}

}  // namespace
}  // namespace moe::cuda::cutlass_path
