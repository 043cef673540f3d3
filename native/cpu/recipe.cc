#include "cpu/recipe.h"

#include "core/error/error.h"

namespace moe::cpu {
namespace {

constexpr int kOptimizedTile = 128;
constexpr int kOptimizedMaxHidden = 128 * 128;
constexpr int kOptimizedMaxIntermediate = 4 * 128;  // retained slices
constexpr int kOptimizedMaxTopK = 16;
constexpr int kSharedInputMaxTopK = 32;

bool takes_gated_dynamic(const moe_layer_desc& shape, const KernelChoice& choice) {
  return shape.gated != 0 && choice.tile_m == kOptimizedTile && choice.tile_n == kOptimizedTile && shape.hidden <= kOptimizedMaxHidden &&
         shape.intermediate <= kOptimizedMaxIntermediate && shape.top_k <= (choice.shared_scale ? kSharedInputMaxTopK : kOptimizedMaxTopK);
}

}  // namespace

Arithmetic choose_arithmetic(const moe_layer_desc& shape, const KernelChoice& choice) {
  const bool wide = choice.reciprocal == Reciprocal::kExact;
  const Quantizer b12x = shape.gated == 0 ? Quantizer::kB12xExact : wide ? Quantizer::kB12xWide : Quantizer::kB12xFast;
  if (choice.path == MOE_PATH_CUTLASS && choice.kernel == MOE_KERNEL_CUTLASS) {
    return {wide ? Quantizer::kCutlassWide : Quantizer::kCutlassFast, Reduction::kCutlass, true, false};
  }
  if (choice.path == MOE_PATH_B12X) {
    switch (choice.kernel) {
      case MOE_KERNEL_DIRECT_MICRO:
        return {Quantizer::kDirectMicro, Reduction::kDirectMicro, false, choice.direct_micro_scale == DirectMicroScale::kDivider};
      case MOE_KERNEL_DYNAMIC:
        return {b12x, takes_gated_dynamic(shape, choice) ? Reduction::kGatedDynamic : Reduction::kSlices, false, false};
      case MOE_KERNEL_MICRO:
      case MOE_KERNEL_STATIC: return {b12x, Reduction::kSlices, false, false};
      default: break;
    }
  }
  throw Error(code::kUnsupported, "kernel " + std::to_string(choice.kernel) + " does not belong to path " + std::to_string(choice.path));
}

Recipe choose_recipe(const Layer& layer, const moe_batch& batch) {
  const auto path = static_cast<moe_path>(batch.path);
  const PathScales& scales = layer.scales(path);
  return {choose_arithmetic(layer.shape(), {path, batch.kernel, batch.tile_m, batch.tile_n, scales.shared_fc1_quantizer(), layer.reciprocal(), layer.direct_micro_scale()}), scales};
}

}  // namespace moe::cpu
