// Which of the b12x pipelines a shape takes. No CUDA: tests compare it with the cpu provider's everywhere.
#pragma once

#include "cuda/kernels/quantizer.h"
#include "cuda/launch.h"

namespace moe::cuda::b12x {

/// The recipe of cpu/recipe.h for this shape.
struct Arithmetic {
  BlockQuantizer quantizer = BlockQuantizer::kB12xFast;
  bool direct_micro = false;
  bool by_slice = true;  ///< Reduction::kSlices; false: kGatedDynamic, or direct micro, which sums over all of I
};
Arithmetic choose_arithmetic(const DeviceLayer& layer, const RunShape& shape);

}  // namespace moe::cuda::b12x
