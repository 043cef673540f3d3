#include "explain/spec.h"

#include <tuple>

#include "core/contract/contract.h"
#include "core/error/error.h"

namespace moe::explain {
namespace {

constexpr std::array<const char*, kCauses> kNames = {
    "sf-rerounding",         "sf-underflow",  "unit-activation-scale", "requantization", "reciprocal-approximation",
    "bf16-between-stages",   "accumulation-order", "router-weight-rounding", "gate-up-order", "wrong-layout",
    "divider-multiplier",    "double-multiplication", "padding",         "nibble-order"};

void set_quantizer(GemmSpec& gemm, Quantizer quantizer) {
  switch (quantizer) {
    case Quantizer::kCutlassFast: std::tie(gemm.family, gemm.precision) = std::tuple(Family::kCutlass, Precision::kFp32); return;
    case Quantizer::kCutlassExact: std::tie(gemm.family, gemm.precision) = std::tuple(Family::kCutlass, Precision::kIeee); return;
    case Quantizer::kCutlassWide: std::tie(gemm.family, gemm.precision) = std::tuple(Family::kCutlass, Precision::kWide); return;
    case Quantizer::kB12xExact: std::tie(gemm.family, gemm.precision) = std::tuple(Family::kB12x, Precision::kIeee); return;
    case Quantizer::kB12xFast: std::tie(gemm.family, gemm.precision) = std::tuple(Family::kB12x, Precision::kFp32); return;
    case Quantizer::kB12xWide: std::tie(gemm.family, gemm.precision) = std::tuple(Family::kB12x, Precision::kWide); return;
    case Quantizer::kDirectMicro: std::tie(gemm.family, gemm.precision) = std::tuple(Family::kDirectMicro, Precision::kWide); return;
  }
}

void set_reduction(Spec& spec, cpu::Reduction reduction) {
  switch (reduction) {
    case cpu::Reduction::kCutlass: spec.rounds_fc2 = true; return;
    case cpu::Reduction::kSlices: spec.slices = spec.rounds_fc2 = spec.adds_bf16 = true; return;
    case cpu::Reduction::kGatedDynamic: spec.combines_weight = spec.rounds_fc2 = spec.rounds_factor = spec.adds_bf16 = true; return;
    case cpu::Reduction::kDirectMicro: spec.combines_weight = true; return;
  }
}

/// The switches that a contract sets on a path.
Spec with_scales_of(moe_contract contract, moe_path path) {
  Spec spec;
  const bool b12x = path == MOE_PATH_B12X;
  for (GemmSpec& gemm : spec.gemm) {
    gemm.reround = gemm.underflow = b12x && contract != MOE_CLEAN;
    gemm.unit_scale = b12x && contract == MOE_UNIT_ALPHA;
    gemm.divides_alpha = !b12x && contract == MOE_UNIT_ALPHA;
  }
  return spec;
}

void require_input_scales(const CheckpointLayer& layer) {
  if (layer.has_input_scales()) return;
  throw Error(code::kUnsupported, "the layer has no input scales (W4A16: weights only), so there are no two quantized pipelines to explain",
              {{"subject", std::string("w13_input_scale")}, {"remedy", std::string("open a checkpoint with input scales")}});
}

[[noreturn]] void refuse(const Deviation& deviation) {
  throw Error(code::kUsage, std::string("cause ") + cause_name(deviation.cause) + " has no site " + std::to_string(deviation.site) + ", variant " + std::to_string(deviation.variant),
              {{"subject", std::string("deviation")}});
}

/// IEEE divisions are another quantizer (an option of the kernels); the other precisions are ways to model `rcp.approx`.
bool ieee_on_one_side(const GemmSpec& a, const GemmSpec& b) { return (a.precision == Precision::kIeee) != (b.precision == Precision::kIeee); }

}  // namespace

const char* cause_name(Cause cause) { return kNames[static_cast<size_t>(cause)]; }

Spec documented(const CheckpointLayer& layer, moe_contract contract, moe_path path, int32_t kernel, int32_t tile_m, int32_t tile_n) {
  if (contract > MOE_CLEAN) throw Error(code::kUnsupported, std::string("contract ") + contract_name(contract) + " is an answer of the reference provider: it has no pipeline to explain", {{"subject", std::string("contract")}});
  require_input_scales(layer);
  moe_layer_desc shape{};
  shape.hidden = layer.shape.hidden;
  shape.intermediate = layer.shape.intermediate;
  shape.top_k = layer.shape.top_k;
  shape.gated = layer.shape.gated ? 1 : 0;
  const cpu::Arithmetic arithmetic = cpu::choose_arithmetic(shape, {path, kernel, tile_m, tile_n, true, cpu::chosen_reciprocal(), cpu::chosen_direct_micro_scale()});
  Spec spec = with_scales_of(contract, path);
  for (GemmSpec& gemm : spec.gemm) {
    set_quantizer(gemm, arithmetic.quantizer);
    // b12x hands the small form to all its kernels; direct micro multiplies by it (hazard H3) unless told to divide.
    gemm.inverted = gemm.family == Family::kDirectMicro && !arithmetic.inverts_scale;
  }
  spec.rounds_fc1 = arithmetic.rounds_fc1;
  set_reduction(spec, arithmetic.reduction);
  return spec;
}

Spec exact(const CheckpointLayer& layer, moe_contract contract, moe_path path) {
  if (contract == MOE_IDEAL_PER_EXPERT || contract == MOE_WEIGHTS_ONLY) {
    throw Error(code::kUnsupported,
                contract == MOE_WEIGHTS_ONLY ? "weights-only does not quantize activations, and no cause stands for their quantization"
                                             : "ideal-per-expert takes each expert's own input scale, and the model takes one for all experts, as both kernel families do",
                {{"subject", std::string(contract_name(contract))}, {"remedy", std::string("compare with the contract ideal")}});
  }
  require_input_scales(layer);
  Spec spec = contract == MOE_IDEAL ? Spec{} : with_scales_of(contract, path);
  spec.rounds_act = false;
  return spec;
}

Spec deviate(const Spec& spec, const Deviation& deviation) {
  if (deviation.site < 0 || deviation.site > 1 || deviation.variant < 0 || deviation.variant > 2) refuse(deviation);
  Spec out = spec;
  GemmSpec& gemm = out.gemm[static_cast<size_t>(deviation.site)];
  const auto toggle = [](bool& flag) { flag = !flag; };
  switch (deviation.cause) {
    case Cause::kSfRerounding: gemm.reround = true; break;
    case Cause::kSfUnderflow: gemm.underflow = true; break;
    case Cause::kUnitActivationScale: gemm.unit_scale = true; break;
    case Cause::kRequantization:
      if (deviation.variant == 0) gemm.family = gemm.family == Family::kB12x ? Family::kCutlass : Family::kB12x;
      else gemm.precision = Precision::kIeee;
      break;
    case Cause::kReciprocalApproximation: gemm.precision = deviation.variant == 0 ? Precision::kFp32 : Precision::kLow; break;
    case Cause::kBf16BetweenStages: toggle(deviation.site == 1 ? out.rounds_fc2 : deviation.variant == 0 ? out.rounds_fc1 : out.rounds_act); break;
    case Cause::kAccumulationOrder: toggle(out.adds_bf16); break;
    case Cause::kRouterWeightRounding: out.bf16_weights = true; break;
    case Cause::kGateUpOrder: toggle(out.gate_up_swapped); break;
    case Cause::kWrongLayout: gemm.order = deviation.variant == 0 ? ScaleOrder::kLinearReadAs128x4 : ScaleOrder::k128x4ReadAsLinear; break;
    case Cause::kDividerMultiplier: toggle(gemm.inverted); break;
    case Cause::kDoubleMultiplication: gemm.doubled = true; break;
    case Cause::kPadding: (deviation.variant == 0 ? gemm.tail_dropped : deviation.variant == 1 ? out.gate_at_padded : gemm.rows_64_dropped) = true; break;
    case Cause::kNibbleOrder: toggle(gemm.nibbles_swapped); break;
  }
  return out;
}

std::vector<Deviation> deviations_of(const Spec& spec, const LayerShape& shape) {
  std::vector<Deviation> out;
  const bool partial = shape.intermediate % 128 != 0;
  for (int32_t c = 0; c < kCauses; ++c) {
    const auto cause = static_cast<Cause>(c);
    for (int site = 0; site < 2; ++site) {
      const GemmSpec& gemm = spec.gemm[static_cast<size_t>(site)];
      const auto add = [&](int variant, bool possible = true) {
        if (possible) out.push_back({cause, site, variant});
      };
      switch (cause) {
        case Cause::kSfRerounding: add(0, !gemm.reround); break;
        case Cause::kSfUnderflow: add(0, !gemm.underflow); break;
        case Cause::kUnitActivationScale: add(0, !gemm.unit_scale); break;
        case Cause::kRequantization:
          add(0);
          add(1, gemm.family != Family::kDirectMicro && gemm.precision != Precision::kIeee);
          break;
        case Cause::kReciprocalApproximation:
          add(0, gemm.family != Family::kDirectMicro && gemm.precision != Precision::kFp32);
          add(1, gemm.family != Family::kDirectMicro);
          break;
        case Cause::kBf16BetweenStages:
          add(0);
          add(1, site == 0);
          break;
        case Cause::kAccumulationOrder: add(0, site == 1); break;
        case Cause::kRouterWeightRounding: add(0, site == 1 && !spec.bf16_weights); break;
        case Cause::kGateUpOrder: add(0, site == 0 && shape.gated); break;
        case Cause::kWrongLayout:
          add(0, gemm.order == ScaleOrder::kAsRead);
          add(1, gemm.order == ScaleOrder::kAsRead);
          break;
        case Cause::kDividerMultiplier: add(0); break;
        case Cause::kDoubleMultiplication: add(0, !gemm.doubled && !gemm.unit_scale); break;
        case Cause::kPadding:
          add(0, partial && shape.intermediate > 128);
          add(1, partial && site == 0 && shape.gated);
          add(2);
          break;
        case Cause::kNibbleOrder: add(0); break;
      }
    }
  }
  return out;
}

Spec with_cause_of(const Spec& a, const Spec& b, Cause cause) {
  Spec out = a;
  for (size_t site = 0; site < 2; ++site) {
    GemmSpec& to = out.gemm[site];
    const GemmSpec& from = b.gemm[site];
    switch (cause) {
      case Cause::kSfRerounding: to.reround = from.reround; break;
      case Cause::kSfUnderflow: to.underflow = from.underflow; break;
      case Cause::kUnitActivationScale: to.unit_scale = from.unit_scale; break;
      case Cause::kRequantization:
        to.family = from.family;
        if (ieee_on_one_side(to, from)) to.precision = from.precision;
        break;
      case Cause::kReciprocalApproximation:
        if (!ieee_on_one_side(to, from)) to.precision = from.precision;
        break;
      case Cause::kWrongLayout: to.order = from.order; break;
      case Cause::kDividerMultiplier: to.inverted = from.inverted; break;
      case Cause::kDoubleMultiplication: to.doubled = from.doubled; break;
      case Cause::kPadding:
        to.tail_dropped = from.tail_dropped;
        to.rows_64_dropped = from.rows_64_dropped;
        out.gate_at_padded = b.gate_at_padded;
        break;
      case Cause::kNibbleOrder: to.nibbles_swapped = from.nibbles_swapped; break;
      case Cause::kBf16BetweenStages:
        out.rounds_fc1 = b.rounds_fc1;
        out.rounds_act = b.rounds_act;
        out.rounds_fc2 = b.rounds_fc2;
        break;
      case Cause::kAccumulationOrder:
        out.slices = b.slices;
        out.adds_bf16 = b.adds_bf16;
        break;
      case Cause::kRouterWeightRounding:
        out.bf16_weights = b.bf16_weights;
        out.combines_weight = b.combines_weight;
        out.rounds_factor = b.rounds_factor;
        break;
      case Cause::kGateUpOrder: out.gate_up_swapped = b.gate_up_swapped; break;
    }
  }
  return out;
}

bool same_cause(const Spec& a, const Spec& b, Cause cause) { return with_cause_of(a, b, cause) == a; }

}  // namespace moe::explain
