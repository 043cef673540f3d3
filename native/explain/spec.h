// A pipeline as a set of switches: the documented ones, and every deviation from them that has a name.
//
// Scales follow core/contract/contract.h without preparing tensors: a GEMM reads SF with multiplier s2 * a, or, when its block
// scales are baked, e4m3(SF * s2) with multiplier a. Only then do re-rounding and underflow differ: `reround` are the scales
// whose product stays E4M3-normal, `underflow` those that become subnormal or zero; the two together are what unit-alpha and
// activation-alpha do. With one of them alone the others keep SF * s2 in fp32.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint.h"
#include "cpu/recipe.h"

namespace moe::explain {

/// The one list of causes: the addon's causes() tells it to scripts and tests. Names: cause_name.
enum class Cause : int32_t {
  kSfRerounding,
  kSfUnderflow,
  kUnitActivationScale,
  kRequantization,
  kReciprocalApproximation,
  kBf16BetweenStages,
  kAccumulationOrder,
  kRouterWeightRounding,
  kGateUpOrder,
  kWrongLayout,
  kDividerMultiplier,
  kDoubleMultiplication,
  kPadding,
  kNibbleOrder,
};
inline constexpr int kCauses = 14;
const char* cause_name(Cause cause);

enum class Family { kB12x, kCutlass, kDirectMicro };
/// kLow: fp32 reciprocals one unit in the last place too small, which `rcp.approx` may give.
enum class Precision { kWide, kFp32, kIeee, kLow };
/// Order in which the block-scale bytes of a GEMM really lie, and the order in which they are read.
enum class ScaleOrder { kAsRead, kLinearReadAs128x4, k128x4ReadAsLinear };

/// What belongs to one GEMM: its input's quantizer and its weights.
struct GemmSpec {
  Family family = Family::kB12x;
  Precision precision = Precision::kWide;
  bool unit_scale = false;  ///< the input scale is 1
  bool inverted = false;    ///< the quantizer gets the reciprocal of what it takes
  bool reround = false, underflow = false;
  bool doubled = false;      ///< the multiplier holds the input scale twice
  bool divides_alpha = false;  ///< multiplier s2 / (1 / a), as the first revision computes it, instead of s2 * a
  ScaleOrder order = ScaleOrder::kAsRead;
  bool nibbles_swapped = false;
  bool tail_dropped = false;      ///< outputs (FC1) or K (FC2) past the last full 128 of I are left out
  bool rows_64_dropped = false;   ///< of each 128 rows of an expert the second 64 give zeros (FlashInfer #3533)
  bool operator==(const GemmSpec&) const = default;
};

struct Spec {
  std::array<GemmSpec, 2> gemm;
  bool gate_up_swapped = false;
  bool gate_at_padded = false;  ///< the gate half is read from row round_up(I, 128)
  bool rounds_fc1 = false;      ///< to bf16
  bool rounds_act = true;
  // From FC2's sums to y; see cpu/recipe.h.
  bool slices = false;            ///< each 128 of I is a contribution by itself
  bool combines_weight = false;   ///< one factor alpha * weight
  bool rounds_fc2 = false;        ///< acc * alpha, or acc where the factor is combined, to bf16
  bool rounds_factor = false;     ///< the combined factor to bf16
  bool adds_bf16 = false;         ///< contributions are rounded and added into bf16; else one fp32 sum, rounded once
  bool bf16_weights = false;
  bool operator==(const Spec&) const = default;
};

/// The documented pipeline of a dispatch decision on a layer under a contract. The contracts share
/// input scales over the experts. @throws Error `unsupported` for a layer without input scales, a contract of the reference, or a
/// kernel that does not belong to the path.
Spec documented(const CheckpointLayer& layer, moe_contract contract, moe_path path, int32_t kernel, int32_t tile_m, int32_t tile_n);

/// The fp64 reference (native/reference) as far as switches go: the scales of `contract` on `path`, or the checkpoint's own for
/// MOE_IDEAL (`path` is then of no account), nothing rounded between the stages. fp64 against fp32 sums and the rounding of y to bf16
/// are no switches. @throws Error `unsupported` as documented(), and for MOE_IDEAL_PER_EXPERT and MOE_WEIGHTS_ONLY.
Spec exact(const CheckpointLayer& layer, moe_contract contract, moe_path path);

/// One cause at one GEMM (site 0 or 1). Variants, counted from 0:
///   requantization            the other family of quantizer; IEEE divisions in fp32
///   reciprocal-approximation  fp32 reciprocals; fp32 reciprocals one ulp low
///   bf16-between-stages       site 0: FC1's sums, the activation; site 1: FC2's products. Each toggles.
///   wrong-layout              linear bytes read as 128x4; 128x4 bytes read as linear
///   padding                   tail of I dropped; gate half read at the padded row; rows 64..127 of a tile dropped
/// all others have one.
struct Deviation {
  Cause cause;
  int site;
  int variant;
  bool operator==(const Deviation&) const = default;
};

/// `spec` with the deviation. @throws Error `usage` for a site or variant that the cause does not have.
Spec deviate(const Spec& spec, const Deviation& deviation);

/// Every deviation that can be told from `spec` on such a layer, by cause, site and variant.
std::vector<Deviation> deviations_of(const Spec& spec, const LayerShape& shape);

/// `a` with everything that belongs to the cause as `b` has it: the cause undone.
Spec with_cause_of(const Spec& a, const Spec& b, Cause cause);
bool same_cause(const Spec& a, const Spec& b, Cause cause);

}  // namespace moe::explain
