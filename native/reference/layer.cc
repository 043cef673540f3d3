#include "reference/layer.h"

#include <algorithm>
#include <string>

#include "core/error/error.h"

namespace moe::reference {
namespace {

/// Value of a scalar stored in either form; the large form is divided by in fp64, since 1 / large in fp32 is another
/// number.
double small_form(float small, float inverse) {
  return inverse != 0 ? 1.0 / static_cast<double>(inverse) : static_cast<double>(small);
}
double weight_scale(const moe_projection& projection) { return small_form(projection.s2, projection.s2_inverse); }
double input_scale(const moe_projection& projection) { return small_form(projection.input_scale, projection.input_scale_inverse); }

/// x * s2, dividing when the checkpoint stores the large form.
double times_weight_scale(double x, const moe_projection& projection) {
  return projection.s2_inverse != 0 ? x / static_cast<double>(projection.s2_inverse) : x * static_cast<double>(projection.s2);
}

Projection from_checkpoint(const moe_projection& stored, double divider, bool quantized) {
  return {stored.packed, stored.block_scale, divider, quantized ? times_weight_scale(divider, stored) : weight_scale(stored)};
}

/// One plane of a 128x4 tensor as [rows, columns] without padding.
std::vector<uint8_t> linear_scales(const WeightOperand& weights, int64_t expert) {
  std::vector<uint8_t> out(weights.n * (weights.k / 16));
  unswizzle_128x4(weights.scale_plane(expert), 1, weights.n, weights.k / 16, out.data());
  return out;
}

/// `large`: the quantizer scale is 1 / divider (CUTLASS).
Experts from_prepared(const PathScales& scales, const moe_layer_desc& desc, bool large) {
  Experts out;
  const auto divider = [&](float stored) { return large ? 1.0 / static_cast<double>(stored) : static_cast<double>(stored); };
  for (int64_t e = 0; e < desc.experts; ++e) {
    out.scales.push_back(linear_scales(scales.w13, e));
    const uint8_t* w13_scales = out.scales.back().data();
    out.scales.push_back(linear_scales(scales.w2, e));
    const uint8_t* w2_scales = out.scales.back().data();

    Expert expert;
    const double divider1 = divider(scales.fc1_quantizer[e]);
    const double multiplier1 = scales.fc1_multiplier[e];
    expert.up = {scales.w13.packed_plane(e), w13_scales, divider1, multiplier1};
    if (desc.gated != 0) {
      const int64_t rows = desc.intermediate;  // w13 rows are [up, gate]
      expert.gate = {expert.up.packed + rows * (desc.hidden / 2), w13_scales + rows * (desc.hidden / 16), divider1, multiplier1};
    }
    expert.down = {scales.w2.packed_plane(e), w2_scales, divider(scales.fc2_quantizer[e]), static_cast<double>(scales.fc2_multiplier[e])};
    out.experts.push_back(expert);
  }
  return out;
}

}  // namespace

bool Experts::shared_x_scale() const {
  return std::all_of(experts.begin(), experts.end(), [&](const Expert& expert) {
    const double divider = experts.front().up.divider;
    return expert.up.divider == divider && (expert.gate.packed == nullptr || expert.gate.divider == divider);
  });
}

Layer::Layer(const moe_layer_desc& desc) : shape_(desc) {
  check_layer_desc(desc);
  shape_.tensors = nullptr;
  shape_.tensor_count = 0;
  shape_.gate = shape_.up = shape_.down = nullptr;
  if (desc.contract >= MOE_IDEAL) {
    resolve_checkpoint(desc);
    return;
  }
  live_ = from_prepared(b12x_scales(desc), desc, false);
  if (desc.threshold > 0) cutlass_ = from_prepared(cutlass_scales(desc), desc, true);
}

void Layer::resolve_checkpoint(const moe_layer_desc& desc) {
  if (desc.up == nullptr || desc.down == nullptr || (desc.gated != 0 && desc.gate == nullptr)) {
    throw Error(code::kUnsupported, "this answer needs the checkpoint's own projections, and the layer was given without them");
  }
  const bool quantized = desc.contract != MOE_WEIGHTS_ONLY;
  double a1 = 0;
  double a2 = 0;
  for (int32_t e = 0; e < desc.experts; ++e) {
    a1 = std::max(a1, input_scale(desc.up[e]));
    if (desc.gated != 0) a1 = std::max(a1, input_scale(desc.gate[e]));
    a2 = std::max(a2, input_scale(desc.down[e]));
    if (quantized && (input_scale(desc.up[e]) == 0 || input_scale(desc.down[e]) == 0)) {
      throw Error(code::kUnsupported, "expert " + std::to_string(e) + " has no input scale (a W4A16 checkpoint): activations cannot be quantized",
                  {{"remedy", std::string("take the contract weights-only")}});
    }
  }
  Experts out;
  const bool shared = desc.contract != MOE_IDEAL_PER_EXPERT;
  for (int32_t e = 0; e < desc.experts; ++e) {
    Expert expert;
    expert.up = from_checkpoint(desc.up[e], shared ? a1 : input_scale(desc.up[e]), quantized);
    if (desc.gated != 0) expert.gate = from_checkpoint(desc.gate[e], shared ? a1 : input_scale(desc.gate[e]), quantized);
    expert.down = from_checkpoint(desc.down[e], shared ? a2 : input_scale(desc.down[e]), quantized);
    out.experts.push_back(expert);
  }
  live_ = std::move(out);
}

const Experts& Layer::experts(moe_path path) const {
  if (path != MOE_PATH_CUTLASS || shape_.contract >= MOE_IDEAL) return *live_;
  if (!cutlass_) throw Error(code::kUnsupported, "no CUTLASS scales are registered: the layer was prepared with threshold 0");
  return *cutlass_;
}

ActivationSpec Layer::activation() const {
  return {static_cast<moe_activation>(shape_.activation), shape_.swiglu_alpha, shape_.swiglu_limit};
}

}  // namespace moe::reference
