// SM90 grouped GEMM (CUTLASS example 57: pointer-array TMA, warp-specialised) over bf16 operands, weights on the M side.
#pragma once

// Assertions are calls, and wgmma is serialised around a call (ptxas C7510).
#ifndef NDEBUG
#define NDEBUG
#endif

#include <cute/tensor.hpp>
#include <cutlass/cutlass.h>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/fusion/operations.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/group_array_problem_shape.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include <string>

#include "core/error/error.h"
#include "cuda/cutlass/grouped_gemm.h"

namespace moe::cuda::cutlass_path {

/// @tparam Tile Shape<weights, tokens, K>; @tparam Cluster shape in tiles: more than one along M shares a tile of tokens.
/// @tparam Pingpong two tiles in turn, so that one's epilogue hides behind the other's MMA; else one tile by two warp groups.
template <class Tile, class Cluster, bool Pingpong>
struct Sm90Gemm {
  using Element = cutlass::bfloat16_t;
  using ProblemShape = cutlass::gemm::GroupProblemShape<cute::Shape<int, int, int>>;
  using MainloopSchedule = cute::conditional_t<Pingpong, cutlass::gemm::KernelPtrArrayTmaWarpSpecializedPingpong,
                                               cutlass::gemm::KernelPtrArrayTmaWarpSpecializedCooperative>;
  using EpilogueSchedule = cute::conditional_t<Pingpong, cutlass::epilogue::PtrArrayTmaWarpSpecializedPingpong,
                                               cutlass::epilogue::PtrArrayTmaWarpSpecializedCooperative>;
  static constexpr int kAlignment = 8;  // elements: 16 bytes, TMA's unit

  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Tile, Cluster, cutlass::epilogue::collective::EpilogueTileAuto, float,
      float, void, cutlass::layout::ColumnMajor*, kAlignment, Element, cutlass::layout::ColumnMajor*, kAlignment, EpilogueSchedule,
      cutlass::epilogue::fusion::LinearCombination<Element, float>>::CollectiveOp;
  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Element, cutlass::layout::RowMajor*, kAlignment, Element,
      cutlass::layout::ColumnMajor*, kAlignment, float, Tile, Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(sizeof(typename Epilogue::SharedStorage))>,
      MainloopSchedule>::CollectiveOp;
  using Kernel = cutlass::gemm::kernel::GemmUniversal<ProblemShape, Mainloop, Epilogue>;
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<Kernel>;
  using Arguments = typename Gemm::Arguments;

  using StrideA = typename Kernel::InternalStrideA;
  using StrideB = typename Kernel::InternalStrideB;
  using StrideD = typename Kernel::InternalStrideD;
  static_assert(sizeof(StrideA) == sizeof(int64_t) && sizeof(StrideB) == sizeof(int64_t) && sizeof(StrideD) == sizeof(int64_t),
                "a stride must be its one dynamic element");
  static_assert(sizeof(typename ProblemShape::UnderlyingProblemShape) == sizeof(GroupShape));

  static cutlass::KernelHardwareInfo hardware(int sm_count) {
    cutlass::KernelHardwareInfo info;
    info.device_id = 0;
    info.sm_count = sm_count;
    return info;
  }

  static Arguments arguments(const GroupArrays& arrays, int groups, int sm_count) {
    Arguments out;
    out.mode = cutlass::gemm::GemmUniversalMode::kGrouped;
    out.problem_shape = {groups, reinterpret_cast<typename ProblemShape::UnderlyingProblemShape*>(arrays.shape), nullptr};
    out.mainloop = {reinterpret_cast<const Element**>(arrays.a), reinterpret_cast<StrideA*>(arrays.stride_a),
                    reinterpret_cast<const Element**>(arrays.b), reinterpret_cast<StrideB*>(arrays.stride_b)};
    out.epilogue = {{}, nullptr, nullptr, reinterpret_cast<Element**>(arrays.d), reinterpret_cast<StrideD*>(arrays.stride_d)};
    out.epilogue.thread.alpha_ptr = arrays.multiplier;
    out.epilogue.thread.dAlpha = {cute::_0{}, cute::_0{}, 1};
    out.epilogue.thread.beta = 0.0F;
    out.hw_info = hardware(sm_count);
    // Tiles of tokens that share a tile of weights run side by side: the weights are the larger operand.
    out.scheduler.raster_order = decltype(out.scheduler.raster_order)::AlongN;
    return out;
  }

  static size_t workspace_bytes(int sm_count) { return Gemm::get_workspace_size(arguments({}, 1, sm_count)); }

  static void enqueue(const GroupArrays& arrays, int groups, int sm_count, void* workspace, cudaStream_t stream) {
    Gemm gemm;
    cutlass::Status status = gemm.initialize(arguments(arrays, groups, sm_count), workspace, stream);
    if (status == cutlass::Status::kSuccess) status = gemm.run(stream);
    if (status != cutlass::Status::kSuccess) {
      throw Error(code::kInternal, std::string("CUTLASS does not start the SM90 grouped GEMM: ") + cutlassGetStatusString(status));
    }
  }
};

}  // namespace moe::cuda::cutlass_path
