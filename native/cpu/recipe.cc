#include "cpu/recipe.h"

#include "core/error/error.h"

namespace moe::cpu {
namespace {

constexpr int kOptimizedTile = 128;
constexpr int kOptimizedMaxHidden = 128 * 128;
constexpr int kOptimizedMaxIntermediate = 4 * 128;  // retained slices
constexpr int kOptimizedMaxTopK = 16;
constexpr int kSharedInputMaxTopK = 32;

bool takes_gated_dynamic(const moe_layer_desc& shape, const moe_batch& batch, bool shared_scale) {
  return shape.gated != 0 && batch.tile_m == kOptimizedTile && batch.tile_n == kOptimizedTile && shape.hidden <= kOptimizedMaxHidden &&
         shape.intermediate <= kOptimizedMaxIntermediate && shape.top_k <= (shared_scale ? kSharedInputMaxTopK : kOptimizedMaxTopK);
}

}  // namespace

Recipe choose_recipe(const Layer& layer, const moe_batch& batch) {
  const auto path = static_cast<moe_path>(batch.path);
  const PathScales& scales = layer.scales(path);
  const bool gated = layer.shape().gated != 0;
  const bool wide = layer.reciprocal() == Reciprocal::kExact;
  const Quantizer b12x = !gated ? Quantizer::kB12xExact : wide ? Quantizer::kB12xWide : Quantizer::kB12xFast;
  if (path == MOE_PATH_CUTLASS && batch.kernel == MOE_KERNEL_CUTLASS) {
    return {scales, wide ? Quantizer::kCutlassWide : Quantizer::kCutlassFast, Reduction::kCutlass, true, false};
  }
  if (path == MOE_PATH_B12X) {
    switch (batch.kernel) {
      case MOE_KERNEL_DIRECT_MICRO:
        return {scales, Quantizer::kDirectMicro, Reduction::kDirectMicro, false, layer.direct_micro_scale() == DirectMicroScale::kDivider};
      case MOE_KERNEL_DYNAMIC:
        if (takes_gated_dynamic(layer.shape(), batch, scales.shared_fc1_quantizer())) return {scales, b12x, Reduction::kGatedDynamic, false, false};
        return {scales, b12x, Reduction::kSlices, false, false};
      case MOE_KERNEL_MICRO:
      case MOE_KERNEL_STATIC: return {scales, b12x, Reduction::kSlices, false, false};
      default: break;
    }
  }
  throw Error(code::kUnsupported, "kernel " + std::to_string(batch.kernel) + " does not belong to path " + std::to_string(batch.path));
}

}  // namespace moe::cpu
