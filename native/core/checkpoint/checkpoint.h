// The layer as the checkpoint has it: gate and up merged to rows [up, gate], scales linear and validated.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/checkpoint/mapped_file.h"
#include "core/parallel/parallel.h"
#include "core/tensor/tensor.h"
#include "provider.h"

namespace moe {

/// Form of the stored fp32 scalars: kSmall value * s (ModelOpt), kLarge value / s (compressed-tensors).
enum class Convention : int32_t { kSmall, kLarge };

/// What to do when gate and up have different weight_scale_2.
enum class Merge : int32_t {
  /// common = max(gate, up); each half's block scales times its ratio s2 / common in fp32, recast to E4M3 (a second
  /// rounding). Source: vLLM nvfp4_utils.py reconcile_nvfp4_moe_w13_scales.
  kMax,
  /// gate's (column 0 of w13_weight_scale_2) for both, block scales untouched: up is then off by the ratio. Older vLLM.
  kColumn0,
};

/// H hidden, I intermediate, E experts, k top-k.
struct LayerShape {
  int32_t hidden = 0, intermediate = 0, experts = 0, top_k = 0;
  bool gated = true;
  moe_activation activation = MOE_SILU;
  float swiglu_alpha = 0, swiglu_limit = 0;

  /// Rows of w13: 2I as [up, gate], or I.
  int64_t w13_rows() const { return gated ? 2LL * intermediate : intermediate; }
};

/// Where one projection of every expert lies: index into the files and byte offsets.
struct ProjectionSources {
  std::vector<int32_t> file;          // [E], of the packed weight
  std::vector<uint64_t> packed;       // [E] offsets of U8 [N, K/2]
  std::vector<int32_t> scale_file;    // [E]
  std::vector<uint64_t> scale;        // [E] offsets of F8_E4M3 [N, K/16], linear
  std::vector<float> s2;              // [E] as stored
  std::vector<float> input_scale;     // [E] as stored, or empty (W4A16)
};

struct AssembleSpec {
  LayerShape shape;
  Convention convention = Convention::kSmall;
  Merge merge = Merge::kMax;
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::optional<ProjectionSources> gate;  // present exactly when shape.gated
  ProjectionSources up, down;
};

struct AssembleReport {
  int64_t differing_gate_up = 0;      // experts whose gate and up s2 differ
  int64_t rescaled_block_scales = 0;  // block-scale bytes changed by reconciling them
  /// Shared input scales in the small form: maximum over all experts (and over gate and up for FC1). Absent for W4A16.
  std::optional<float> a1, a2;
  float s2_min = 0, s2_max = 0;  // over every projection, small form
  uint64_t bytes = 0;            // of the assembled tensors
};

/// Holds its own memory: nothing in it points into the mapped files, so a file cut later cannot fault a provider.
class CheckpointLayer {
 public:
  LayerShape shape;
  AssembleReport report;
  Tensor w13_weight;          // U8 fp4 [E, 2I | I, H/2], rows [up, gate]
  Tensor w2_weight;           // U8 fp4 [E, H, I/2]
  Tensor w13_weight_scale;    // F8_E4M3 linear [E, 2I | I, H/16], after merging
  Tensor w2_weight_scale;     // F8_E4M3 linear [E, H, I/16]
  Tensor w13_weight_scale_2;  // F32 [E], small form, merged
  Tensor w2_weight_scale_2;   // F32 [E], small form
  /// Small form as vLLM loads them: F32 [E, 2] columns (gate, up), or [E, 1] when not gated; F32 [E]. Absent for W4A16.
  std::optional<Tensor> w13_input_scale, w2_input_scale;
  /// [E] each with the ORIGINAL block scales and scalars, for the reference provider; `gate` is empty when not gated.
  std::vector<moe_projection> gate, up, down;

  bool has_input_scales() const { return w13_input_scale.has_value(); }
  /// Block scales of gate and up as stored, of the experts that merging changed: what `gate` and `up` point to there.
  std::shared_ptr<const HeapBacking> original_scales;

  /// The tensors above, in that order.
  std::vector<Tensor> tensors() const;
};

/// Reads, checks and merges a layer on all threads. Progress counts 2E steps: FC1 and FC2 of each expert.
/// Throws `unsupported-shape` (H or I not a positive multiple of 16, no experts, top-k outside 1..E), `usage` (arrays of
/// the wrong length, a file index outside the list), `out-of-bounds`, `file-truncated`, `cancelled`, `out-of-memory`, and
/// `bad-scale` with facts projection (gate, up, down), field (weight_scale, weight_scale_2, input_scale), expert and, for
/// a block scale, row and column: a NaN or negative block scale, or an s2 or input scale that is not finite and positive,
/// as stored or inverted.
std::shared_ptr<const CheckpointLayer> assemble(const AssembleSpec& spec, const Task& task);

}  // namespace moe
