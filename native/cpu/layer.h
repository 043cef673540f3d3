// What the cpu provider keeps of a layer.
#pragma once

#include <optional>

#include "core/activation/activation.h"
#include "core/provider/layer_tensors.h"
#include "cpu/dot.h"
#include "provider.h"

namespace moe::cpu {

/// How direct micro uses the activation scale it is handed (domain: hazard H3).
enum class DirectMicroScale {
  /// By dividing, as the other b12x kernels do and as the scale contracts mean it. Default.
  kDivider,
  /// As the source of FlashInfer main of 2026-08-22 reads: the small scale that the other kernels divide by is
  /// MULTIPLIED, so for scales other than 1 each GEMM is off by about its square and nothing is left of y. Derived from
  /// source and never seen on hardware, so it has to be asked for: MOESCOPE_DIRECT_MICRO_SCALE=multiplier.
  kMultiplier,
};

/// How `rcp.approx` of the fast-math quantizers is modelled: its last bit is not knowable on a CPU.
enum class Reciprocal {
  kExact,  ///< without error, in fp64 (Quantizer::k...Wide). Default: no made-up bit decides a tie.
  /// Rounded to fp32 (Quantizer::k...Fast). MOESCOPE_RECIPROCAL=fp32: to see what flips at near ties cost; on the shared
  /// checkpoints they move CUTLASS from NRMSE 0.002 to 0.02 .. 0.05.
  kFp32,
};

/// What the environment chooses. @throws Error `unsupported` for a value that is not known.
DirectMicroScale chosen_direct_micro_scale();
Reciprocal chosen_reciprocal();

class Layer {
 public:
  /// @throws Error as b12x_scales and cutlass_scales; `unsupported` for a contract that only the reference provider
  ///   answers, or for a MOESCOPE_SIMD, MOESCOPE_DIRECT_MICRO_SCALE or MOESCOPE_RECIPROCAL that cannot be used.
  explicit Layer(const moe_layer_desc& desc);

  const moe_layer_desc& shape() const { return shape_; }
  /// @throws Error `unsupported` for a path the layer was not prepared for.
  const PathScales& scales(moe_path path) const;
  ActivationSpec activation() const;
  const Kernels& simd() const { return kernels_; }
  DirectMicroScale direct_micro_scale() const { return direct_micro_scale_; }
  Reciprocal reciprocal() const { return reciprocal_; }

  int64_t fc1_width() const { return (shape_.gated != 0 ? 2LL : 1LL) * shape_.intermediate; }

 private:
  moe_layer_desc shape_;  ///< sizes and activation only: its pointers are null
  const Kernels& kernels_;
  DirectMicroScale direct_micro_scale_;
  Reciprocal reciprocal_;
  PathScales b12x_;
  std::optional<PathScales> cutlass_;
};

}  // namespace moe::cpu
