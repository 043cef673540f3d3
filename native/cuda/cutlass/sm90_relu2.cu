// FC1 and relu2 of the CUTLASS path on Hopper.
#include "cuda/cutlass/sm90_fc1.cuh"

namespace moe::cuda::cutlass_path {

void enqueue_expert_gemm_relu2(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream) {
  launch_fc1<MOE_RELU2>(work, to, sm_count, stream);
}

}  // namespace moe::cuda::cutlass_path
