// FC1 and silu of the CUTLASS path on Hopper.
#include "cuda/cutlass/sm90_fc1.cuh"

namespace moe::cuda::cutlass_path {

void enqueue_expert_gemm_silu(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream) {
  launch_fc1<MOE_SILU>(work, to, sm_count, stream);
}

}  // namespace moe::cuda::cutlass_path
