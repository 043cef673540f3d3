// The grouped GEMM of expert_gemm.h for few tokens an expert: the weights' bytes are what it costs.
#include "cuda/cutlass/sm90_expert_gemm.cuh"

namespace moe::cuda::cutlass_path {

void enqueue_expert_gemm_32(const ExpertGemm& work, int sm_count, cudaStream_t stream) { launch_expert_gemm<32>(work, sm_count, stream); }
void enqueue_expert_gemm_64(const ExpertGemm& work, int sm_count, cudaStream_t stream) { launch_expert_gemm<64>(work, sm_count, stream); }

}  // namespace moe::cuda::cutlass_path
