// The kernel behind expert_gemm.h. A CTA takes 256 rows of weights (MMA's M: two warp groups of 128) by N tokens; two CTAs
// of a cluster share the tokens, each loading half of them into both. One warp group loads and upcasts, two multiply.
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
#include <cuda_bf16.h>

#include <string>
#include <utility>

#include "cuda/cutlass/expert_gemm.h"
#include "cuda/kernels/formats.cuh"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::cutlass_path {
namespace {

constexpr int kGroups = 2;   ///< warp groups that multiply
constexpr int kCluster = 2;  ///< CTAs that share a tile of tokens
constexpr int kThreads = 128 * (1 + kGroups);
constexpr int kRowBytes = kPanel * 2;
constexpr int kBlockBytes = kWeightBlock * kRowBytes;
constexpr int kLoadWarps = 4;
constexpr int kSharedLimit = 232448;  ///< Hopper's opt-in bytes of a block
constexpr int kLaunchRegisters = 168;  ///< of each thread: what 384 threads can have at most
constexpr int kProducerRegisters = 88;
constexpr int kConsumerRegisters = 208;
static_assert(kProducerRegisters + kGroups * kConsumerRegisters <= (1 + kGroups) * kLaunchRegisters, "setmaxnreg would wait for ever");

template <int N>
struct Shared {
  static constexpr int kStageBytes = kGroups * kBlockBytes + N * kRowBytes;
  static constexpr int kFixedBytes = (kMaxExperts + 1) * 4 + 256;
  static constexpr int kFits = (kSharedLimit - kFixedBytes) / kStageBytes;
  static constexpr int kStages = kFits < 8 ? kFits : 8;

  uint8_t weights[kStages][kGroups * kBlockBytes];
  uint8_t tokens[kStages][N * kRowBytes];
  cutlass::arch::ClusterTransactionBarrier full[kStages];
  cutlass::arch::ClusterBarrier empty[kStages];
  int32_t tiles[kMaxExperts + 1];  ///< token tiles of the experts before
};

struct Params {
  const uint8_t* weights;
  const int32_t* offsets;
  const float* multiplier;
  uint16_t* out;
  int experts, pairs, n, k_panels, row_pairs;  ///< row_pairs: clusters' tiles along n
};

struct Tile {
  int expert, block, first_row, rows;  ///< block: the CTA's first of two blocks of weights
};

/// Tiles of an expert: tokens vary first, so that clusters side by side read the same weights.
template <int N>
__device__ __forceinline__ Tile find_tile(const Params& p, const int32_t* tiles, int index, uint32_t rank) {
  int low = 0;
  int high = p.experts;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (tiles[middle] * p.row_pairs <= index) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const int local = index - tiles[low] * p.row_pairs;
  const int count = tiles[low + 1] - tiles[low];
  const int pair = local / count;
  const int first = p.offsets[low] + (local - pair * count) * N;
  return {low, (pair * kCluster + static_cast<int>(rank)) * kGroups, first, min(N, p.offsets[low + 1] - first)};
}

/// wgmma's descriptor of K-major rows of 128 bytes, swizzled by 128 bytes: groups of 8 rows are 1024 bytes apart (PTX ISA,
/// "Matrix descriptor").
__device__ __forceinline__ uint64_t operand_descriptor(const void* shared) {
  const uint64_t address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  return (address & 0x3FFFFU) >> 4U | uint64_t{1} << 16U | uint64_t{64} << 32U | uint64_t{1} << 62U;
}

template <int N>
struct Mma;
#define MOESCOPE_MMA(N) \
  template <>           \
  struct Mma<N> : cute::SM90::GMMA::MMA_64x##N##x16_F32BF16BF16_SS<cute::SM90::GMMA::Major::K, cute::SM90::GMMA::Major::K> {};
MOESCOPE_MMA(32)
MOESCOPE_MMA(64)
MOESCOPE_MMA(96)
MOESCOPE_MMA(144)
#undef MOESCOPE_MMA

template <int N, size_t... I>
__device__ __forceinline__ void mma(uint64_t a, uint64_t b, float (&d)[N / 2], bool accumulate, std::index_sequence<I...>) {
  Mma<N>::fma(a, b, d[I]..., accumulate ? cute::SM90::GMMA::ScaleOut::One : cute::SM90::GMMA::ScaleOut::Zero);
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

/// Frees a stage in both CTAs: each loads tokens into both.
template <int N>
__device__ __forceinline__ void release(Shared<N>& s, int stage) {
  const int thread = static_cast<int>(threadIdx.x) % 128;
  if (thread < kCluster) s.empty[stage].arrive(static_cast<uint32_t>(thread));
}

/// A thread's share of a panel: one row of each block, 64 codes and 4 scales.
struct PanelShare {
  uint4 codes[kGroups][2];
  uint32_t scales[kGroups];
};

__device__ __forceinline__ PanelShare read_panel(const uint8_t* panel, int64_t block_stride, int blocks, int row) {
  PanelShare out;
#pragma unroll
  for (int block = 0; block < kGroups; ++block) {
    if (block >= blocks) continue;
    const uint8_t* from = panel + block * block_stride;
    out.codes[block][0] = __ldg(reinterpret_cast<const uint4*>(from) + row);
    out.codes[block][1] = __ldg(reinterpret_cast<const uint4*>(from + kPanelCodes / 2) + row);
    out.scales[block] = __ldg(reinterpret_cast<const uint32_t*>(from + kPanelCodes) + row);
  }
  return out;
}

/// E4M3 times 64 as a bf16x2 of two equal values, exact.
__device__ __forceinline__ __nv_bfloat162 scale_64(uint32_t four, int index) {
  const float2 pair = __half22float2(e4m3x2_decode(four, index / 2));
  return __float2bfloat162_rn((index % 2 == 0 ? pair.x : pair.y) * 64.0F);
}

/// Two codes (interleaved, pair `index` of a word) times a scale, exact. The code's exponent and fraction bits under bf16's
/// are 2^-126 times its value; 2^120 and the scale's 2^6 undo that within bf16's range.
__device__ __forceinline__ uint32_t upcast_pair(uint32_t codes, int index, __nv_bfloat162 scale) {
  const uint32_t magnitude = (index < 2 ? codes << (6 - 4 * index) : codes >> (4 * index - 6)) & 0x01C001C0U;
  const uint32_t bits = (codes << (12 - 4 * index) & 0x80008000U) | magnitude;
  const __nv_bfloat162 up = __nv_bfloat162(__ushort_as_bfloat16(0x7B80), __ushort_as_bfloat16(0x7B80));
  const __nv_bfloat162 value = __hmul2_rn(__hmul2_rn(*reinterpret_cast<const __nv_bfloat162*>(&bits), up), scale);
  return *reinterpret_cast<const uint32_t*>(&value);
}

/// Writes a share as bf16 rows in the 128-byte swizzle: piece c of row r lies at c ^ (r % 8).
__device__ __forceinline__ void upcast_panel(const PanelShare& share, int blocks, int row, uint8_t* stage) {
#pragma unroll
  for (int block = 0; block < kGroups; ++block) {
    if (block >= blocks) continue;
    uint8_t* to = stage + block * kBlockBytes + row * kRowBytes;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const uint32_t words[4] = {share.codes[block][half].x, share.codes[block][half].y, share.codes[block][half].z, share.codes[block][half].w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const __nv_bfloat162 scale = scale_64(share.scales[block], half * 2 + i / 2);
        *reinterpret_cast<uint4*>(to + ((half * 4 + i) ^ (row % 8)) * 16) =
            make_uint4(upcast_pair(words[i], 0, scale), upcast_pair(words[i], 1, scale), upcast_pair(words[i], 2, scale), upcast_pair(words[i], 3, scale));
      }
    }
  }
}

template <int N>
__device__ __forceinline__ void produce(Shared<N>& s, const Params& p, const Tile& tile, Ring<Shared<N>::kStages>& ring, uint32_t rank, const CUtensorMap& rows) {
  constexpr int kHalf = N / kCluster;
  const int n_blocks = weight_blocks(p.n);
  const int blocks = n_blocks - tile.block;  // may be fewer than kGroups, even none
  const int64_t block_stride = static_cast<int64_t>(p.k_panels) * kPanelBytes;
  const uint8_t* weights = p.weights + (static_cast<int64_t>(tile.expert) * n_blocks + tile.block) * block_stride;
  const int thread = static_cast<int>(threadIdx.x);
  PanelShare share = read_panel(weights, block_stride, blocks, thread);
#pragma unroll 1
  for (int k = 0; k < p.k_panels; ++k, ring.next()) {
    PanelShare next = share;
    if (k + 1 < p.k_panels) next = read_panel(weights + static_cast<int64_t>(k + 1) * kPanelBytes, block_stride, blocks, thread);
    s.empty[ring.stage].wait(ring.phase ^ 1U);
    if (thread == 0) {
      s.full[ring.stage].arrive_and_expect_tx(static_cast<uint32_t>(N * kRowBytes));
      cute::SM90_TMA_LOAD_MULTICAST_2D::copy(&rows, reinterpret_cast<uint64_t*>(&s.full[ring.stage]), uint16_t{(1U << kCluster) - 1U},
                                             static_cast<uint64_t>(cute::TMA::CacheHintSm90::EVICT_NORMAL), s.tokens[ring.stage] + rank * (kHalf * kRowBytes), 0,
                                             k * p.pairs + tile.first_row + static_cast<int>(rank) * kHalf);
    }
    upcast_panel(share, blocks, thread, s.weights[ring.stage]);
    cutlass::arch::fence_view_async_shared();  // wgmma reads through the async proxy
    __syncwarp();
    if (thread % 32 == 0) s.full[ring.stage].arrive();
    share = next;
  }
}

template <int N>
__device__ __forceinline__ void consume(Shared<N>& s, const Params& p, const Tile& tile, Ring<Shared<N>::kStages>& ring, int group) {
  float d[2][N / 2];
  int previous = 0;
#pragma unroll 1
  for (int k = 0; k < p.k_panels; ++k) {
    s.full[ring.stage].wait(ring.phase);
    const uint64_t a = operand_descriptor(s.weights[ring.stage] + group * kBlockBytes);
    const uint64_t b = operand_descriptor(s.tokens[ring.stage]);
    cute::warpgroup_arrive();
#pragma unroll
    for (int step = 0; step < kPanel / 16; ++step) {
      // In units of 16 bytes: 16 elements of K are 2, 64 rows are 512.
      mma<N>(a + 2 * step, b + 2 * step, d[0], k + step != 0, std::make_index_sequence<N / 2>{});
      mma<N>(a + 512 + 2 * step, b + 2 * step, d[1], k + step != 0, std::make_index_sequence<N / 2>{});
    }
    cute::warpgroup_commit_batch();
    cute::warpgroup_wait<1>();
    if (k > 0) release(s, previous);
    previous = ring.stage;
    ring.next();
  }
  cute::warpgroup_wait<0>();
  release(s, previous);

  const float multiplier = p.multiplier[tile.expert];
  const int thread = static_cast<int>(threadIdx.x) % 128;
  const int lane = thread % 32;
  const int column = (tile.block + group) * kWeightBlock + thread / 32 * 32 + lane / 4 * 4;
  if (column >= p.n) return;
  uint16_t* out = p.out + static_cast<int64_t>(tile.first_row) * p.n + column;
#pragma unroll
  for (int j = 0; j < N / 8; ++j) {
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      const int row = 8 * j + lane % 4 * 2 + b;
      if (row >= tile.rows) continue;
      *reinterpret_cast<uint2*>(out + static_cast<int64_t>(row) * p.n) =
          make_uint2(bf16x2_encode(__fmul_rn(d[0][4 * j + b], multiplier), __fmul_rn(d[0][4 * j + 2 + b], multiplier)),
                     bf16x2_encode(__fmul_rn(d[1][4 * j + b], multiplier), __fmul_rn(d[1][4 * j + 2 + b], multiplier)));
    }
  }
}

/// One warp: tiles[e] = token tiles of experts before e.
template <int N>
__device__ void count_tiles(const Params& p, int32_t* tiles) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  int before = 0;
  for (int first = 0; first < p.experts; first += 32) {
    const int expert = first + lane;
    const int own = expert < p.experts ? (p.offsets[expert + 1] - p.offsets[expert] + N - 1) / N : 0;
    int to = own;
    for (int step = 1; step < 32; step *= 2) {
      const int other = __shfl_up_sync(0xFFFFFFFFU, to, step);
      if (lane >= step) to += other;
    }
    if (expert < p.experts) tiles[expert] = before + to - own;
    before += __shfl_sync(0xFFFFFFFFU, to, 31);
  }
  if (lane == 0) tiles[p.experts] = before;
}

template <int N>
__global__ void __cluster_dims__(kCluster, 1, 1) __launch_bounds__(kThreads, 1)
    expert_gemm(const __grid_constant__ Params p, const __grid_constant__ CUtensorMap rows) {
  extern __shared__ __align__(1024) uint8_t raw[];
  Shared<N>& s = *reinterpret_cast<Shared<N>*>(raw);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const uint32_t rank = cute::block_rank_in_cluster();
  if (threadIdx.x == 0) {
    for (int i = 0; i < Shared<N>::kStages; ++i) {
      s.full[i].init(1 + kLoadWarps);
      s.empty[i].init(kGroups * kCluster);
    }
    cutlass::arch::fence_barrier_init();
  }
  if (warp == 1) count_tiles<N>(p, s.tiles);
  __syncthreads();
  cute::cluster_sync();

  const int total = s.tiles[p.experts] * p.row_pairs;
  const int clusters = static_cast<int>(gridDim.x) / kCluster;
  const int first = static_cast<int>(blockIdx.x) / kCluster;
  Ring<Shared<N>::kStages> ring;
  if (warp < kLoadWarps) {
    cutlass::arch::warpgroup_reg_dealloc<kProducerRegisters>();
    for (int t = first; t < total; t += clusters) produce<N>(s, p, find_tile<N>(p, s.tiles, t, rank), ring, rank, rows);
  } else {
    cutlass::arch::warpgroup_reg_alloc<kConsumerRegisters>();
    for (int t = first; t < total; t += clusters) consume<N>(s, p, find_tile<N>(p, s.tiles, t, rank), ring, warp / 4 - 1);
  }
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
  const cuuint64_t strides[1] = {kRowBytes};
  const cuuint32_t box[2] = {kPanel, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  const CUresult result = encode_tiled()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<uint16_t*>(data), extents, strides, box, steps,
                                         CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                                         CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw Error(code::kInternal, "the driver refuses the tensor map of the grouped GEMM: CUresult " + std::to_string(static_cast<int>(result)));
  return map;
}

template <int N>
void launch_expert_gemm(const ExpertGemm& work, int sm_count, cudaStream_t stream) {
  constexpr int kClusterBlocks = kGroups * kCluster;
  const int k_panels = panels(work.k);
  const Params params{work.weights, work.offsets, work.multiplier, work.out, work.experts, work.pairs, work.n, k_panels,
                      (weight_blocks(work.n) + kClusterBlocks - 1) / kClusterBlocks};
  const CUtensorMap rows = panel_map(work.rows, static_cast<int64_t>(k_panels) * work.pairs, N / kCluster);
  static_assert(sizeof(Shared<N>) <= kSharedLimit);
  check_cuda(cudaFuncSetAttribute(expert_gemm<N>, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(Shared<N>)), "shared memory of the grouped GEMM");
  expert_gemm<N><<<sm_count / kCluster * kCluster, kThreads, sizeof(Shared<N>), stream>>>(params, rows);
  check_launch("grouped GEMM");
}

}  // namespace
}  // namespace moe::cuda::cutlass_path
