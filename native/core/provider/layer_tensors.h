// Finding and checking the tensors of a moe_layer_desc: what every built-in provider does first.
#pragma once

#include <string>
#include <vector>

#include "core/layout/scale_layout.h"
#include "provider.h"

namespace moe {

/// One FP4 operand of a prepared layer: E experts of [N, K] with E4M3 scales in 128x4 order.
struct WeightOperand {
  const uint8_t* packed = nullptr;  ///< [E, N, K/2]
  const uint8_t* scales = nullptr;  ///< [E] planes of layout.bytes()
  int64_t n = 0, k = 0;
  Swizzled128x4 layout{0, 0};

  const uint8_t* packed_plane(int64_t expert) const { return packed + expert * n * (k / 2); }
  const uint8_t* scale_plane(int64_t expert) const { return scales + expert * layout.bytes(); }
};

/// Which of the two scale sets a run uses.
struct PathScales {
  WeightOperand w13, w2;
  /// Per expert [E]. `fc1_quantizer` is what FC1's quantizer takes (small divider for b12x, large 1/a for CUTLASS);
  /// `fc1_multiplier` scales FC1's sums; likewise FC2.
  std::vector<float> fc1_quantizer, fc1_multiplier, fc2_quantizer, fc2_multiplier;

  bool shared_fc1_quantizer() const;
};

/// Checks the sizes of a layer description: positive, H and I multiples of 16, 1 <= top-k <= E, relu2 exactly when not
/// gated. @throws Error `unsupported-shape` / `usage` naming the field.
void check_layer_desc(const moe_layer_desc& desc);

/// Live parameters as the b12x kernels read them. FC1's divider is input_global_scale where it exists, else
/// w13_weight_scale_2 (the dual role of w1_alpha); FC1's multiplier is w13_weight_scale_2, times input_global_scale in
/// fp32 where that exists (FlashInfer #3932). Contract: core/contract/contract.h.
/// @throws Error `wrong-shape`, `wrong-dtype` or `unsupported` naming the tensor.
PathScales b12x_scales(const moe_layer_desc& desc);

/// The six w13_/w2_cutlass_* parameters. @throws as above; `unsupported` when threshold is 0, since nothing was
/// registered then.
PathScales cutlass_scales(const moe_layer_desc& desc);

}  // namespace moe
