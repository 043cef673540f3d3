// SM120 NVFP4 block-scaled grouped GEMM (CUTLASS example 79d without the FP4 output), tokens on the M side. Compiled here and
// never run: no RTX Blackwell card was at hand.
#pragma once

// Assertions in the kernel are calls.
#ifndef NDEBUG
#define NDEBUG
#endif

#include <cute/tensor.hpp>
#include <cutlass/cutlass.h>
#include <cutlass/detail/sm100_blockscaled_layout.hpp>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/fusion/operations.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/group_array_problem_shape.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include <string>

#include "core/error/error.h"
#include "cuda/cutlass/grouped_gemm.h"
#include "cuda/kernels/formats.cuh"

// Plain sm_120 has no block-scaled MMA and compiles this to a kernel that does nothing.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1200 && !MOESCOPE_FP4_INSTRUCTIONS
#error "compile the SM120 GEMMs for sm_120a, sm_121a or sm_120f: plain sm_120 has no NVFP4 MMA"
#endif

namespace moe::cuda::cutlass_path {

/// CUTLASS's layouts of the block scales of each group, from its extents.
template <class Config, class LayoutA, class LayoutB>
__global__ void sm120_scale_layouts(const GroupShape* shapes, int groups, LayoutA* a, LayoutB* b) {
  const int group = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (group >= groups) return;
  const auto shape = cute::make_shape(shapes[group].m, shapes[group].n, shapes[group].k, 1);
  a[group] = Config::tile_atom_to_shape_SFA(shape);
  b[group] = Config::tile_atom_to_shape_SFB(shape);
}

/// @tparam Tile Shape<tokens, weights, K>, 128 or 256 each for the first two: the scale layout has tiles of 128 rows.
/// @tparam Pingpong two tiles in turn, so that one's epilogue hides behind the other's MMA; else one tile by all warp groups.
/// The cluster is 1x1x1, the only one SM120 has.
template <class Tile, bool Pingpong>
struct Sm120Gemm {
  using Operand = cutlass::nv_float4_t<cutlass::float_e2m1_t>;
  using Output = cutlass::bfloat16_t;
  using Cluster = cute::Shape<cute::_1, cute::_1, cute::_1>;
  using ProblemShape = cutlass::gemm::GroupProblemShape<cute::Shape<int, int, int>>;
  using Schedule = cute::conditional_t<Pingpong, cutlass::gemm::KernelPtrArrayTmaWarpSpecializedPingpong,
                                       cutlass::gemm::KernelPtrArrayTmaWarpSpecializedCooperative>;
  static constexpr int kAlignment = 32;       // elements: 16 bytes
  static constexpr int kOutputAlignment = 8;  // elements: 16 bytes

  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm120, cutlass::arch::OpClassBlockScaledTensorOp, Tile, Cluster,
      cutlass::epilogue::collective::EpilogueTileAuto, float, float, Output, cutlass::layout::RowMajor*, kOutputAlignment, Output,
      cutlass::layout::RowMajor*, kOutputAlignment, cutlass::epilogue::collective::EpilogueScheduleAuto,
      cutlass::epilogue::fusion::LinearCombination<Output, float>>::CollectiveOp;
  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm120, cutlass::arch::OpClassBlockScaledTensorOp, Operand, cutlass::layout::RowMajor*, kAlignment, Operand,
      cutlass::layout::ColumnMajor*, kAlignment, float, Tile, Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(sizeof(typename Epilogue::SharedStorage))>,
      Schedule>::CollectiveOp;
  using Kernel = cutlass::gemm::kernel::GemmUniversal<ProblemShape, Mainloop, Epilogue>;
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<Kernel>;
  using Arguments = typename Gemm::Arguments;

  using StrideA = typename Kernel::InternalStrideA;
  using StrideB = typename Kernel::InternalStrideB;
  using StrideD = typename Kernel::InternalStrideD;
  using LayoutSFA = typename Mainloop::InternalLayoutSFA;
  using LayoutSFB = typename Mainloop::InternalLayoutSFB;
  using ScaleConfig = typename Mainloop::Sm1xxBlkScaledConfig;
  static_assert(sizeof(StrideA) == sizeof(int64_t) && sizeof(StrideB) == sizeof(int64_t) && sizeof(StrideD) == sizeof(int64_t),
                "a stride must be its one dynamic element");
  static_assert(sizeof(typename ProblemShape::UnderlyingProblemShape) == sizeof(GroupShape));
  static constexpr size_t kScaleLayoutBytes = sizeof(LayoutSFA) > sizeof(LayoutSFB) ? sizeof(LayoutSFA) : sizeof(LayoutSFB);

  static Arguments arguments(const GroupArrays& arrays, int groups, int sm_count) {
    using Code = typename Mainloop::ArrayElementA;
    using Scale = typename Mainloop::ElementSF;
    Arguments out;
    out.mode = cutlass::gemm::GemmUniversalMode::kGrouped;
    out.problem_shape = {groups, reinterpret_cast<typename ProblemShape::UnderlyingProblemShape*>(arrays.shape), nullptr};
    out.mainloop = {reinterpret_cast<const Code**>(arrays.a),    reinterpret_cast<StrideA*>(arrays.stride_a),
                    reinterpret_cast<const Code**>(arrays.b),    reinterpret_cast<StrideB*>(arrays.stride_b),
                    reinterpret_cast<const Scale**>(arrays.sfa), static_cast<LayoutSFA*>(arrays.layout_sfa),
                    reinterpret_cast<const Scale**>(arrays.sfb), static_cast<LayoutSFB*>(arrays.layout_sfb)};
    // With beta 0 the source is never read; its arrays are D's because CUTLASS makes a tensor map of it all the same.
    out.epilogue = {{}, const_cast<const Output**>(reinterpret_cast<Output**>(arrays.d)), reinterpret_cast<StrideD*>(arrays.stride_d),
                    reinterpret_cast<Output**>(arrays.d), reinterpret_cast<StrideD*>(arrays.stride_d)};
    out.epilogue.thread.alpha_ptr = arrays.multiplier;
    out.epilogue.thread.dAlpha = {cute::_0{}, cute::_0{}, 1};
    out.epilogue.thread.beta = 0.0F;
    out.hw_info.device_id = 0;
    out.hw_info.sm_count = sm_count;
    // Tiles of tokens that share a tile of weights run side by side.
    out.scheduler.raster_order = decltype(out.scheduler.raster_order)::AlongM;
    return out;
  }

  static size_t workspace_bytes(int sm_count) { return Gemm::get_workspace_size(arguments({}, 1, sm_count)); }

  static void enqueue(const GroupArrays& arrays, int groups, int sm_count, void* workspace, cudaStream_t stream) {
    constexpr int kThreads = 128;
    sm120_scale_layouts<ScaleConfig><<<(groups + kThreads - 1) / kThreads, kThreads, 0, stream>>>(
        arrays.shape, groups, static_cast<LayoutSFA*>(arrays.layout_sfa), static_cast<LayoutSFB*>(arrays.layout_sfb));
    Gemm gemm;
    cutlass::Status status = gemm.initialize(arguments(arrays, groups, sm_count), workspace, stream);
    if (status == cutlass::Status::kSuccess) status = gemm.run(stream);
    if (status != cutlass::Status::kSuccess) {
      throw Error(code::kInternal, std::string("CUTLASS does not start the SM120 grouped GEMM: ") + cutlassGetStatusString(status));
    }
  }
};

}  // namespace moe::cuda::cutlass_path
