// FC1 of the CUTLASS path on Hopper with its activation: one activation a translation unit.
#pragma once

#include "cuda/cutlass/sm90_expert_gemm.cuh"

namespace moe::cuda::cutlass_path {
namespace {

template <int Activation>
void launch_fc1(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream) {
  const ActivateAndQuantize<Activation> epilogue{to};
  constexpr bool kGated = Activation != MOE_RELU2;
  if (has_few_rows(work)) {
    launch_expert_gemm<64>(work, kGated, epilogue, sm_count, stream);
  } else {
    launch_expert_gemm<144>(work, kGated, epilogue, sm_count, stream);
  }
}

}  // namespace
}  // namespace moe::cuda::cutlass_path
