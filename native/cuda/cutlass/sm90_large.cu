// SM90 grouped GEMM for prefill: many rows an expert.
#include "cuda/cutlass/sm90_gemm.cuh"

namespace moe::cuda::cutlass_path {
namespace {

using Large = Sm90Gemm<cute::Shape<cute::_256, cute::_128, cute::_64>, cute::Shape<cute::_2, cute::_1, cute::_1>, false>;

}  // namespace

const GroupedGemm& sm90_large() {
  static const GroupedGemm gemm{"256x128x64 cooperative, cluster 2x1", 128, 0, Large::workspace_bytes, Large::enqueue};
  return gemm;
}

}  // namespace moe::cuda::cutlass_path
