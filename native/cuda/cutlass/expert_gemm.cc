#include "cuda/cutlass/expert_gemm.h"

#include <cmath>

namespace moe::cuda::cutlass_path {
namespace {

struct Width {
  int tokens;
  void (*enqueue)(const ExpertGemm&, int, cudaStream_t);
};
constexpr Width kWidths[] = {{32, enqueue_expert_gemm_32}, {64, enqueue_expert_gemm_64}, {96, enqueue_expert_gemm_96}, {144, enqueue_expert_gemm_144}};

/// Tensor-core time of a tile beyond its tokens', in tokens: its epilogue and the reading of weights.
constexpr double kTileCost = 24;

}  // namespace

void enqueue_expert_gemm(const ExpertGemm& work, int sm_count, cudaStream_t stream) {
  // Rows of a fairly busy expert: the mean and one standard deviation of a uniform draw.
  const double mean = static_cast<double>(work.pairs) / work.experts;
  const double rows = mean + std::sqrt(mean);
  const Width* best = nullptr;
  double least = 0;
  for (const Width& width : kWidths) {
    const double cost = std::ceil(rows / width.tokens) * (width.tokens + kTileCost);
    if (best == nullptr || cost < least) {
      best = &width;
      least = cost;
    }
  }
  best->enqueue(work, sm_count, stream);
}

}  // namespace moe::cuda::cutlass_path
