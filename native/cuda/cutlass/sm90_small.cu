// SM90 grouped GEMM for few rows an expert: the weights' bytes are what it costs.
#include "cuda/cutlass/sm90_gemm.cuh"

namespace moe::cuda::cutlass_path {
namespace {

using Small = Sm90Gemm<cute::Shape<cute::_128, cute::_64, cute::_64>, cute::Shape<cute::_1, cute::_1, cute::_1>, true>;

}  // namespace

const GroupedGemm& sm90_small() {
  static const GroupedGemm gemm{"128x64x64 pingpong", 64, 0, Small::workspace_bytes, Small::enqueue};
  return gemm;
}

}  // namespace moe::cuda::cutlass_path
