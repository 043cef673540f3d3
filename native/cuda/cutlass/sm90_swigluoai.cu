// FC1 and swigluoai of the CUTLASS path on Hopper.
#include "cuda/cutlass/sm90_fc1.cuh"

namespace moe::cuda::cutlass_path {

void enqueue_expert_gemm_swigluoai(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream) {
  launch_fc1<MOE_SWIGLUOAI>(work, to, sm_count, stream);
}

}  // namespace moe::cuda::cutlass_path
