// A layer under one scale contract, with the published parameter names.
//
// Notation: s2 = weight_scale_2 of the expert (small form), SF = checkpoint block scale, a1 / a2 = shared input scales
// (small form, maximum over experts; for FC1 over gate and up too), e4m3() rounds to nearest even and saturates.
// All scalar arithmetic is fp32 in the order written. Parameters after the rewrite, [E] F32 unless said:
//
//                       unit-alpha          activation-alpha    clean
//   w13_weight          U8 fp4 [E, 2I|I, H/2], the checkpoint layer's bytes, shared
//   w2_weight           U8 fp4 [E, H, I/2], shared
//   w13_weight_scale    e4m3(SF * s2)       e4m3(SF * s2)       SF            F8_E4M3 sf128x4, zero padding
//   w2_weight_scale     e4m3(SF * s2)       e4m3(SF * s2)       SF            F8_E4M3 sf128x4
//   w13_weight_scale_2  1                   a1                  s2            b12x w1_alpha
//   w2_weight_scale_2   1                   a2                  s2 * a2       b12x w2_alpha
//   a1_gscale           1 / a1              1 / a1              1 / a1
//   a2_gscale           1                   1 / a2              1 / a2
//   input_global_scale  -                   -                   a1            b12x FC1 divider
//   fc2_input_scale     -                   a2                  a2            b12x FC2 divider
//
// and with threshold > 0, cloned BEFORE the rewrite, for CUTLASS:
//   w13_cutlass_weight_scale  SF            SF                  SF            F8_E4M3 sf128x4
//   w2_cutlass_weight_scale   SF            SF                  SF
//   w13_cutlass_a_gscale      1 / a1        1 / a1              1 / a1
//   w2_cutlass_a_gscale       1 / a2        1 / a2              1 / a2
//   w13_cutlass_g_alphas      s2 / (1/a1)   s2 * a1             s2 * a1
//   w2_cutlass_g_alphas       s2 / (1/a2)   s2 * a2             s2 * a2
//
// What b12x reads. FC1 divider: input_global_scale where registered, else w13_weight_scale_2 (the dual role of w1_alpha).
// FC1 multiplier: w13_weight_scale_2, times input_global_scale where registered (folded in fp32). FC2 divider:
// fc2_input_scale where registered, else a2_gscale (vLLM passes self.a2_gscale). FC2 multiplier: w2_weight_scale_2.
// Each column then satisfies the algebra: multiplier * stored SF = divider * s2 * checkpoint SF, up to the rounding of
// e4m3(SF * s2): unit-alpha 1 * (SF s2) = 1 * s2 * SF; activation-alpha a1 * (SF s2); clean (s2 a1) * SF, (s2 a2) * SF.
// What CUTLASS reads: the six, multiplier g_alphas, quantizer scale a_gscale (LARGE form).
//
// W4A16 checkpoints (no input scale): a1 = a2 = 1 under unit-alpha; activation-alpha falls back to the unit-alpha values
// with threshold 0 and is refused with threshold > 0; clean is refused.
// Sources: vLLM #43687 first and later revision, FlashInfer #3407 and #3932, vLLM #48536 (domain/hybrid-dispatch.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint.h"
#include "core/parallel/parallel.h"
#include "core/tensor/tensor.h"
#include "provider.h"

namespace moe {

/// "unit-alpha", "activation-alpha", "clean", "ideal", "ideal-per-expert", "weights-only".
const char* contract_name(moe_contract contract);
/// Throws `usage` for a name that is not one of them.
moe_contract contract_from_name(const std::string& name);

/// Bytes by set. The FP4 bytes are counted once: both paths use the same storage.
struct ByteSets {
  uint64_t fp4 = 0;
  uint64_t b12x_scales = 0;
  uint64_t cutlass_scales = 0;
  uint64_t multipliers = 0;
};

class PreparedLayer {
 public:
  LayerShape shape;
  moe_contract contract = MOE_UNIT_ALPHA;
  int32_t threshold = 0;
  /// Every registered parameter, in registration order: the table above, then the six. First dimension E, contiguous.
  std::vector<Tensor> parameters;
  /// w1_sf_mma, w2_sf_mma: 6D views of the live scales.
  std::vector<Tensor> views;

  /// The parameter of that name, or nullptr.
  const Tensor* find(const std::string& name) const;
  ByteSets byte_sets() const;
};

/// Published steps put back into `clean` one at a time, to measure what each does alone. The CUTLASS six stay as they
/// are: no contract changes what they mean.
struct LeaveIn {
  /// SF := e4m3(SF * s2), s2 := 1, in both GEMMs (the b12x rewrite of unit-alpha and activation-alpha).
  bool baked_block_scales = false;
  /// input_global_scale = fc2_input_scale := 1 and a2 left out of w2_weight_scale_2 (what unit-alpha quantizes with).
  bool unit_activation_scale = false;
  bool any() const { return baked_block_scales || unit_activation_scale; }
};

/// Builds the contract's parameters. Progress counts experts.
/// Throws `unsupported` with the reason (see W4A16 above, or a reference-only contract), `usage` for a negative
/// threshold or a `leave_in` without contract clean, `cancelled`, `out-of-memory`.
std::shared_ptr<const PreparedLayer> prepare(const CheckpointLayer& layer, moe_contract contract, int32_t threshold,
                                             const Task& task, LeaveIn leave_in = {});

/// EPLB: row p of every registered parameter := old row permutation[p]; a new layer, the old one is unchanged.
/// Parameters named in `leave_out` keep their rows, which breaks the layer on purpose.
/// Throws `bad-permutation` unless `permutation` holds each of 0..E-1 once, `usage` for an unknown name.
std::shared_ptr<const PreparedLayer> rearrange(const PreparedLayer& layer, std::span<const int32_t> permutation,
                                               const std::vector<std::string>& leave_out, const Task& task);

}  // namespace moe
