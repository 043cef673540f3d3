// The grouped GEMM of expert_gemm.h for prefill.
#include "cuda/cutlass/sm90_expert_gemm.cuh"

namespace moe::cuda::cutlass_path {

void enqueue_expert_gemm_144(const ExpertGemm& work, int sm_count, cudaStream_t stream) { launch_expert_gemm<144>(work, sm_count, stream); }
void enqueue_expert_gemm_96(const ExpertGemm& work, int sm_count, cudaStream_t stream) { launch_expert_gemm<96>(work, sm_count, stream); }

}  // namespace moe::cuda::cutlass_path
