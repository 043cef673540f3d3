#include "cuda/cutlass/expert_gemm.h"

#include <cmath>

#include "provider.h"

namespace moe::cuda::cutlass_path {

void enqueue_expert_gemm_activated(int activation, const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream) {
  switch (activation) {
    case MOE_GELU_TANH: return enqueue_expert_gemm_gelu_tanh(work, to, sm_count, stream);
    case MOE_SWIGLUOAI: return enqueue_expert_gemm_swigluoai(work, to, sm_count, stream);
    case MOE_RELU2: return enqueue_expert_gemm_relu2(work, to, sm_count, stream);
    default: return enqueue_expert_gemm_silu(work, to, sm_count, stream);
  }
}

bool has_few_rows(const ExpertGemm& work) {
  const double mean = static_cast<double>(work.pairs) / work.experts;
  return mean + std::sqrt(mean) <= 64;
}

}  // namespace moe::cuda::cutlass_path
