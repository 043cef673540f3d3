#include "core/contract/contract.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/checkpoint/scales.h"
#include "core/error/error.h"
#include "core/layout/scale_layout.h"

namespace moe {
namespace {

constexpr std::array<const char*, 6> kContracts = {"unit-alpha", "activation-alpha", "clean", "ideal", "ideal-per-expert", "weights-only"};

[[noreturn]] void refuse(const std::string& what, const std::string& reason, const std::string& remedy) {
  throw Error(code::kUnsupported, what + ": " + reason, {{"subject", what}, {"found", reason}, {"remedy", remedy}});
}

void check_request(const CheckpointLayer& layer, moe_contract contract, int32_t threshold) {
  if (threshold < 0) throw Error(code::kUsage, "cutlass_prefill_threshold must be 0 or more, found " + std::to_string(threshold), {{"subject", std::string("threshold")}});
  const std::string name = contract_name(contract);
  if (contract > MOE_CLEAN) refuse("contract " + name, "is an answer of the reference provider, not a preparation of parameters", "choose unit-alpha, activation-alpha or clean");
  if (layer.has_input_scales()) return;
  const std::string reason = "the checkpoint has no w13_input_scale and w2_input_scale (W4A16: weights only)";
  if (contract == MOE_CLEAN) refuse("contract clean", reason, "choose unit-alpha");
  if (contract == MOE_ACTIVATION_ALPHA && threshold > 0) refuse("hybrid dispatch under activation-alpha", reason, "set the threshold to 0, or choose unit-alpha");
}

/// The values of one multiplier over the experts.
template <class Value>
Tensor multiplier(const char* name, int64_t experts, Value value) {
  NewTensor out = new_tensor(name, DType::kF32, Layout::kLinear, {experts});
  for (int64_t e = 0; e < experts; ++e) out.f32()[e] = value(e);
  return out.tensor;
}

/// Swizzled block scales of one GEMM: as the checkpoint has them, and as b12x reads them.
struct ScaleSets {
  Tensor live;
  Tensor cutlass;  // empty unless threshold > 0
};

ScaleSets build_scales(const Tensor& linear, const Tensor& s2, const std::string& prefix, bool bake, bool clone, const Task& task) {
  const int64_t experts = linear.planes();
  const Swizzled128x4 layout(linear.rows, linear.columns);
  NewTensor live = new_scales(prefix + "_weight_scale", experts, linear.rows, linear.columns);
  NewTensor cutlass;
  if (clone) cutlass = new_scales(prefix + "_cutlass_weight_scale", experts, linear.rows, linear.columns);
  parallel_for(experts, task, [&](int64_t e) {
    uint8_t* plane = live.data + e * layout.bytes();
    swizzle_128x4(linear.plane(e), 1, linear.rows, linear.columns, plane);
    if (clone) std::memcpy(cutlass.data + e * layout.bytes(), plane, static_cast<size_t>(layout.bytes()));
    if (bake) rescale_block_scales(plane, layout.bytes(), s2.f32()[e]);
  });
  return {std::move(live.tensor), std::move(cutlass.tensor)};
}

void add_views(PreparedLayer& layer) {
  layer.views = {mma6d_tensor(*layer.find("w13_weight_scale"), "w1_sf_mma"), mma6d_tensor(*layer.find("w2_weight_scale"), "w2_sf_mma")};
}

bool has_suffix(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

}  // namespace

const char* contract_name(moe_contract contract) { return kContracts[static_cast<size_t>(contract)]; }

moe_contract contract_from_name(const std::string& name) {
  for (size_t i = 0; i < kContracts.size(); ++i) {
    if (name == kContracts[i]) return static_cast<moe_contract>(i);
  }
  throw Error(code::kUsage, "contract " + name + " is not one of unit-alpha, activation-alpha, clean, ideal, ideal-per-expert, weights-only", {{"subject", std::string("contract")}, {"found", name}});
}

const Tensor* PreparedLayer::find(const std::string& name) const {
  const auto at = std::find_if(parameters.begin(), parameters.end(), [&](const Tensor& tensor) { return tensor.name == name; });
  return at == parameters.end() ? nullptr : &*at;
}

ByteSets PreparedLayer::byte_sets() const {
  ByteSets sets;
  for (const Tensor& tensor : parameters) {
    if (tensor.layout == Layout::kFp4) sets.fp4 += tensor.bytes;
    else if (has_suffix(tensor.name, "_cutlass_weight_scale")) sets.cutlass_scales += tensor.bytes;
    else if (tensor.layout == Layout::kSf128x4) sets.b12x_scales += tensor.bytes;
    else sets.multipliers += tensor.bytes;
  }
  return sets;
}

std::shared_ptr<const PreparedLayer> prepare(const CheckpointLayer& layer, moe_contract contract, int32_t threshold, const Task& task, LeaveIn leave_in) {
  check_request(layer, contract, threshold);
  if (leave_in.any() && contract != MOE_CLEAN) throw Error(code::kUsage, "leaveIn puts steps back into contract clean", {{"subject", std::string("leaveIn")}, {"expected", std::string("contract clean")}, {"found", std::string(contract_name(contract))}});
  const int64_t experts = layer.shape.experts;
  // W4A16: input scales of 1; activation-alpha then leaves unit alphas (later revision of vLLM #43687).
  const bool activations = layer.has_input_scales();
  const float a1 = layer.report.a1.value_or(1.0F);
  const float a2 = layer.report.a2.value_or(1.0F);
  const float a1_gscale = 1.0F / a1;
  const float a2_gscale = 1.0F / a2;
  const float* s2_13 = layer.w13_weight_scale_2.f32();
  const float* s2_2 = layer.w2_weight_scale_2.f32();
  const bool bake = contract != MOE_CLEAN || leave_in.baked_block_scales;
  const bool hybrid = threshold > 0;

  Task first = task;   // two passes, one progress bar of 2E steps
  Task second = task;
  if (task.progress) {
    first.progress = [&](uint64_t done, uint64_t total) { task.progress(done, 2 * total); };
    second.progress = [&](uint64_t done, uint64_t total) { task.progress(total + done, 2 * total); };
  }
  ScaleSets w13 = build_scales(layer.w13_weight_scale, layer.w13_weight_scale_2, "w13", bake, hybrid, first);
  ScaleSets w2 = build_scales(layer.w2_weight_scale, layer.w2_weight_scale_2, "w2", bake, hybrid, second);

  auto out = std::make_shared<PreparedLayer>();
  out->shape = layer.shape;
  out->contract = contract;
  out->threshold = threshold;
  out->parameters = {layer.w13_weight, layer.w2_weight, std::move(w13.live), std::move(w2.live)};
  const auto add = [&](const char* name, auto value) { out->parameters.push_back(multiplier(name, experts, value)); };
  const auto constant = [](float value) { return [value](int64_t) { return value; }; };
  const bool unit = contract == MOE_UNIT_ALPHA || !activations;
  if (contract == MOE_CLEAN) {
    const float fc2_divider = leave_in.unit_activation_scale ? 1.0F : a2;
    add("w13_weight_scale_2", [&](int64_t e) { return bake ? 1.0F : s2_13[e]; });
    add("w2_weight_scale_2", [&](int64_t e) { return (bake ? 1.0F : s2_2[e]) * fc2_divider; });
  } else {
    add("w13_weight_scale_2", constant(unit ? 1.0F : a1));
    add("w2_weight_scale_2", constant(unit ? 1.0F : a2));
  }
  add("a1_gscale", constant(a1_gscale));
  add("a2_gscale", constant(contract == MOE_UNIT_ALPHA ? 1.0F : a2_gscale));
  if (contract == MOE_CLEAN) add("input_global_scale", constant(leave_in.unit_activation_scale ? 1.0F : a1));
  if (contract != MOE_UNIT_ALPHA) add("fc2_input_scale", constant(leave_in.unit_activation_scale ? 1.0F : a2));
  if (hybrid) {
    out->parameters.push_back(std::move(w13.cutlass));
    out->parameters.push_back(std::move(w2.cutlass));
    add("w13_cutlass_a_gscale", constant(a1_gscale));
    add("w2_cutlass_a_gscale", constant(a2_gscale));
    // The first revision divides by the large form, the later ones multiply by the small one: not the same last bit.
    const bool divide = contract == MOE_UNIT_ALPHA;
    add("w13_cutlass_g_alphas", [&](int64_t e) { return divide ? s2_13[e] / a1_gscale : s2_13[e] * a1; });
    add("w2_cutlass_g_alphas", [&](int64_t e) { return divide ? s2_2[e] / a2_gscale : s2_2[e] * a2; });
  }
  add_views(*out);
  return out;
}

std::shared_ptr<const PreparedLayer> rearrange(const PreparedLayer& layer, std::span<const int32_t> permutation, const std::vector<std::string>& leave_out, const Task& task) {
  const auto experts = static_cast<size_t>(layer.shape.experts);
  std::vector<bool> seen(experts, false);
  bool valid = permutation.size() == experts;
  for (const int32_t from : permutation) {
    valid = valid && from >= 0 && static_cast<size_t>(from) < experts && !seen[static_cast<size_t>(from)];
    if (valid) seen[static_cast<size_t>(from)] = true;
  }
  if (!valid) {
    throw Error(code::kBadPermutation, "the permutation must hold each expert from 0 to " + std::to_string(experts - 1) + " exactly once",
                {{"subject", std::string("permutation")}, {"expected", std::to_string(experts) + " distinct experts"}, {"found", std::to_string(permutation.size()) + " entries"}});
  }
  for (const std::string& name : leave_out) {
    if (layer.find(name) == nullptr) throw Error(code::kUsage, name + " is not a registered parameter of this layer", {{"subject", name}});
  }
  auto out = std::make_shared<PreparedLayer>(layer);
  std::vector<uint8_t*> targets(layer.parameters.size(), nullptr);
  for (size_t i = 0; i < layer.parameters.size(); ++i) {
    Tensor& moved = out->parameters[i];
    if (std::find(leave_out.begin(), leave_out.end(), moved.name) != leave_out.end()) continue;
    auto storage = std::make_shared<HeapBacking>(moved.bytes);
    targets[i] = storage->data();
    moved.data = storage->data();
    moved.backing = std::move(storage);
  }
  parallel_for(static_cast<int64_t>(experts), task, [&](int64_t p) {
    for (size_t i = 0; i < targets.size(); ++i) {
      if (targets[i] == nullptr) continue;
      const Tensor& from = layer.parameters[i];
      std::memcpy(targets[i] + static_cast<uint64_t>(p) * from.plane_bytes(), from.plane(permutation[static_cast<size_t>(p)]), from.plane_bytes());
    }
  });
  add_views(*out);
  return out;
}

}  // namespace moe
