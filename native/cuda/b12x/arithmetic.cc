#include "cuda/b12x/arithmetic.h"

#include "cuda/b12x/tiles.h"

namespace moe::cuda::b12x {
namespace {

// The optimized gated dynamic kernel: cpu/recipe.h choose_recipe.
constexpr int kOptimizedMaxHidden = 128 * 128;
constexpr int kOptimizedMaxIntermediate = 4 * kSliceWidth;
constexpr int kOptimizedMaxTopK = 16;
constexpr int kSharedInputMaxTopK = 32;

bool takes_gated_dynamic(const DeviceLayer& layer, const RunShape& shape) {
  return shape.kernel == MOE_KERNEL_DYNAMIC && layer.gated && shape.tile_m == kMaxTileM && shape.tile_n == kTileN && layer.hidden <= kOptimizedMaxHidden &&
         layer.intermediate <= kOptimizedMaxIntermediate && layer.top_k <= (layer.b12x.shared_fc1_quantizer ? kSharedInputMaxTopK : kOptimizedMaxTopK);
}

}  // namespace

Arithmetic choose_arithmetic(const DeviceLayer& layer, const RunShape& shape) {
  if (shape.kernel == MOE_KERNEL_DIRECT_MICRO) return {BlockQuantizer::kDirectMicro, true, false};
  return {layer.gated ? BlockQuantizer::kB12xFast : BlockQuantizer::kB12xExact, false, !takes_gated_dynamic(layer, shape)};
}

}  // namespace moe::cuda::b12x
