// What distinguishes the pipelines: quantizers, where bf16 rounds, how FC2's results are added.
#pragma once

#include "core/quantize/quantize.h"
#include "cpu/layer.h"

namespace moe::cpu {

enum class Reduction {
  /// CUTLASS, unfused finalize (domain 7.1, 5a): bf16(acc * alpha) a pair; y = bf16(fp32 sum over slots in slot order of
  /// weight * value). The fused finalize tactic (5b) is not modelled: the autotuner picks it on a GPU only.
  kCutlass,
  /// b12x micro, static and generic dynamic (7.2): FC2 in slices of 128 of I; bf16(acc * alpha), times the router weight
  /// in fp32, bf16, added into a bf16 output.
  kSlices,
  /// b12x's optimized gated dynamic kernel: slices summed on chip in fp32; bf16(acc) times bf16(alpha * weight), rounded
  /// to bf16, added into a bf16 output.
  kGatedDynamic,
  /// Direct micro (7.3): y = bf16(fp32 sum over slots of acc * (alpha * weight)).
  kDirectMicro,
};

/// The arithmetic of a kernel, whatever the layer's scales are.
struct Arithmetic {
  Quantizer quantizer;
  Reduction reduction;
  /// CUTLASS stores GEMM1's result as bf16 before the activation; b12x keeps it in fp32.
  bool rounds_fc1;
  /// Direct micro under DirectMicroScale::kDivider: hand the quantizer 1 / scale.
  bool inverts_scale;
};

/// What a dispatch decision says, and the choices that the environment makes (layer.h).
struct KernelChoice {
  moe_path path;
  int32_t kernel, tile_m, tile_n;
  /// All experts share FC1's input scale.
  bool shared_scale;
  Reciprocal reciprocal;
  DirectMicroScale direct_micro_scale;
};

/// @throws Error `unsupported` for a kernel that does not belong to the path.
Arithmetic choose_arithmetic(const moe_layer_desc& shape, const KernelChoice& choice);

struct Recipe : Arithmetic {
  const PathScales& scales;
};

/// The pipeline of (path, kernel, tile) on this layer. The gated dynamic kernel needs tile 128x128, H <= 16384, I <= 512
/// and top-k <= 16 (32 when all experts share FC1's scale); other shapes take the generic one
/// (moe_dynamic_kernel.py `_can_use_gated_optimized_kernel`). CUTLASS and gated b12x quantize with `rcp.approx` (fast
/// math), modelled as Reciprocal says. relu2 under b12x divides exactly (FlashInfer #4285), and so does this. I not a multiple of 128 is padded by b12x with zero codes and scales, which adds
/// exact zeros: here the last slice is simply shorter.
/// @throws Error `unsupported` for a kernel that does not belong to the path.
Recipe choose_recipe(const Layer& layer, const moe_batch& batch);

}  // namespace moe::cpu
