// SM120 grouped GEMM for prefill: many rows an expert.
#include "cuda/cutlass/sm120_gemm.cuh"

namespace moe::cuda::cutlass_path {
namespace {

using Large = Sm120Gemm<cute::Shape<cute::_128, cute::_128, cute::_256>, true>;

}  // namespace

const GroupedGemm& sm120_large() {
  static const GroupedGemm gemm{"128x128x256 pingpong", Large::kScaleLayoutBytes, Large::workspace_bytes, Large::enqueue};
  return gemm;
}

}  // namespace moe::cuda::cutlass_path
