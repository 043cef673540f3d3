// What the reference provider keeps of a layer: for every expert and path, where the codes and scales lie and which
// exact multipliers belong to them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/activation/activation.h"
#include "core/provider/layer_tensors.h"
#include "provider.h"

namespace moe::reference {

/// One projection of one expert. y = multiplier * sum(code_x * SF_x * code_w * SF_w).
struct Projection {
  const uint8_t* packed = nullptr;  ///< [N, K/2]; null for an absent gate
  const uint8_t* scales = nullptr;  ///< [N, K/16], linear
  double divider = 1;               ///< small global scale of the activation's quantizer
  double multiplier = 1;
};

struct Expert {
  Projection up, gate, down;
};

/// The experts under one set of scales. `scales` owns the un-swizzled copies that Projection::scales point into.
struct Experts {
  std::vector<Expert> experts;
  std::vector<std::vector<uint8_t>> scales;

  /// True when every expert quantizes x with the same scale.
  bool shared_x_scale() const;
};

class Layer {
 public:
  /// @throws Error for a description that cannot run: see check_layer_desc, b12x_scales; `unsupported` when a contract
  ///   of the checkpoint's own scales lacks projections or input scales.
  explicit Layer(const moe_layer_desc& desc);

  /// The experts that answer for `path`. @throws Error `unsupported` for CUTLASS on a layer without the six tensors.
  const Experts& experts(moe_path path) const;

  const moe_layer_desc& shape() const { return shape_; }
  ActivationSpec activation() const;
  bool quantizes_activations() const { return shape_.contract != MOE_WEIGHTS_ONLY; }

 private:
  void resolve_checkpoint(const moe_layer_desc& desc);

  moe_layer_desc shape_;  ///< sizes and activation only: its pointers are null
  std::optional<Experts> live_;     ///< b12x of a contract, or the answer from the checkpoint
  std::optional<Experts> cutlass_;
};

}  // namespace moe::reference
