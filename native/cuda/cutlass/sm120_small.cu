// SM120 grouped GEMM for few rows an expert: shorter K tiles, so more stages of weights are on the way.
#include "cuda/cutlass/sm120_gemm.cuh"

namespace moe::cuda::cutlass_path {
namespace {

using Small = Sm120Gemm<cute::Shape<cute::_128, cute::_128, cute::_128>, true>;

}  // namespace

const GroupedGemm& sm120_small() {
  static const GroupedGemm gemm{"128x128x128 pingpong", Small::kScaleLayoutBytes, Small::workspace_bytes, Small::enqueue};
  return gemm;
}

}  // namespace moe::cuda::cutlass_path
