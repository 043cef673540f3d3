// FC2 of the CUTLASS path on Hopper.
#include "cuda/cutlass/sm90_expert_gemm.cuh"

namespace moe::cuda::cutlass_path {

void enqueue_expert_gemm(const ExpertGemm& work, const StoredRows& to, int sm_count, cudaStream_t stream) {
  if (has_few_rows(work)) {
    launch_expert_gemm<64>(work, false, StoreRows{to}, sm_count, stream);
  } else {
    launch_expert_gemm<144>(work, false, StoreRows{to}, sm_count, stream);
  }
}

}  // namespace moe::cuda::cutlass_path
