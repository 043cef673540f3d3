#include "core/provider/layer_tensors.h"

#include <algorithm>
#include <cstring>

#include "core/error/error.h"

namespace moe {
namespace {

const moe_tensor* find(const moe_layer_desc& desc, const std::string& name) {
  for (int32_t i = 0; i < desc.tensor_count; ++i) {
    if (name == desc.tensors[i].name) return &desc.tensors[i];
  }
  return nullptr;
}

std::string shape_of(const moe_tensor& tensor) {
  std::string text = "[";
  for (int32_t i = 0; i < tensor.rank; ++i) text += (i > 0 ? ", " : "") + std::to_string(tensor.shape[i]);
  return text + "]";
}

const moe_tensor& require(const moe_layer_desc& desc, const std::string& name, moe_dtype dtype, const char* layout, uint64_t bytes) {
  const moe_tensor* tensor = find(desc, name);
  if (tensor == nullptr) {
    throw Error(code::kUnsupported, "the layer has no tensor " + name, {{"subject", name}, {"expected", std::string("registered")}, {"found", std::string("absent")}});
  }
  if (tensor->dtype != dtype || std::strcmp(tensor->layout, layout) != 0) {
    throw Error(code::kWrongDtype, name + " has the wrong dtype or layout",
                {{"subject", name}, {"expected", "dtype " + std::to_string(dtype) + " " + layout}, {"found", "dtype " + std::to_string(tensor->dtype) + " " + tensor->layout}});
  }
  if (tensor->bytes != bytes || tensor->data == nullptr) {
    throw Error(code::kWrongShape, name + " " + shape_of(*tensor) + " does not fit the layer",
                {{"subject", name}, {"expected", std::to_string(bytes) + " bytes"}, {"found", std::to_string(tensor->bytes) + " bytes"}});
  }
  return *tensor;
}

std::vector<float> per_expert(const moe_layer_desc& desc, const std::string& name) {
  const moe_tensor& tensor = require(desc, name, MOE_F32, "linear", static_cast<uint64_t>(desc.experts) * sizeof(float));
  const auto* values = static_cast<const float*>(tensor.data);
  return {values, values + desc.experts};
}

WeightOperand operand(const moe_layer_desc& desc, const std::string& weight, const std::string& scale, int64_t n, int64_t k) {
  WeightOperand out;
  out.n = n;
  out.k = k;
  out.layout = Swizzled128x4(n, k / 16);
  const auto experts = static_cast<uint64_t>(desc.experts);
  out.packed = static_cast<const uint8_t*>(require(desc, weight, MOE_U8, "fp4", experts * static_cast<uint64_t>(n * (k / 2))).data);
  out.scales = static_cast<const uint8_t*>(require(desc, scale, MOE_F8_E4M3, "sf128x4", experts * static_cast<uint64_t>(out.layout.bytes())).data);
  return out;
}

PathScales operands(const moe_layer_desc& desc, const std::string& infix) {
  PathScales out;
  const int64_t w13_rows = (desc.gated != 0 ? 2LL : 1LL) * desc.intermediate;
  out.w13 = operand(desc, "w13_weight", "w13_" + infix + "weight_scale", w13_rows, desc.hidden);
  out.w2 = operand(desc, "w2_weight", "w2_" + infix + "weight_scale", desc.hidden, desc.intermediate);
  return out;
}

void require_size(const char* name, int64_t value, int64_t multiple) {
  if (value > 0 && value % multiple == 0) return;
  throw Error(code::kUnsupportedShape, std::string(name) + " of the layer cannot run",
              {{"subject", std::string(name)}, {"expected", "a positive multiple of " + std::to_string(multiple)}, {"found", std::to_string(value)}});
}

}  // namespace

bool PathScales::shared_fc1_quantizer() const {
  return std::all_of(fc1_quantizer.begin(), fc1_quantizer.end(), [&](float value) { return value == fc1_quantizer.front(); });
}

void check_layer_desc(const moe_layer_desc& desc) {
  if (desc.struct_size < sizeof(moe_layer_desc)) throw Error(code::kUsage, "moe_layer_desc is older than this provider");
  require_size("hidden", desc.hidden, 16);
  require_size("intermediate", desc.intermediate, 16);
  require_size("experts", desc.experts, 1);
  if (desc.top_k < 1 || desc.top_k > desc.experts) {
    throw Error(code::kBadRouting, "top-k must be between 1 and the number of experts",
                {{"subject", std::string("top_k")}, {"expected", "1.." + std::to_string(desc.experts)}, {"found", std::to_string(desc.top_k)}});
  }
  if (desc.activation < MOE_SILU || desc.activation > MOE_RELU2 || (desc.activation == MOE_RELU2) != (desc.gated == 0)) {
    throw Error(code::kUnsupported, "the activation does not fit the layer: relu2 takes no gate, the others need one",
                {{"subject", std::string("activation")}, {"found", std::to_string(desc.activation) + (desc.gated != 0 ? " gated" : " not gated")}});
  }
}

PathScales b12x_scales(const moe_layer_desc& desc) {
  PathScales out = operands(desc, "");
  const std::vector<float> w1_alpha = per_expert(desc, "w13_weight_scale_2");
  out.fc1_quantizer = w1_alpha;
  out.fc1_multiplier = w1_alpha;
  if (find(desc, "input_global_scale") != nullptr) {
    out.fc1_quantizer = per_expert(desc, "input_global_scale");
    for (size_t e = 0; e < w1_alpha.size(); ++e) out.fc1_multiplier[e] = w1_alpha[e] * out.fc1_quantizer[e];
  }
  // The first revision of the hybrid contract has no parameter of that name: there a2_gscale holds fc2_input_scale = 1.
  const bool named = find(desc, "fc2_input_scale") != nullptr;
  out.fc2_quantizer = per_expert(desc, named || desc.contract != MOE_UNIT_ALPHA ? "fc2_input_scale" : "a2_gscale");
  out.fc2_multiplier = per_expert(desc, "w2_weight_scale_2");
  return out;
}

PathScales cutlass_scales(const moe_layer_desc& desc) {
  if (desc.threshold <= 0) {
    throw Error(code::kUnsupported, "no CUTLASS scales are registered: the layer was prepared with threshold 0",
                {{"subject", std::string("w13_cutlass_weight_scale")},
                 {"expected", std::string("threshold > 0 when the layer is prepared")},
                 {"found", std::string("threshold 0")},
                 {"remedy", std::string("prepare the layer with a threshold, so that register_cutlass_prefill_weights gets its six tensors")}});
  }
  PathScales out = operands(desc, "cutlass_");
  out.fc1_quantizer = per_expert(desc, "w13_cutlass_a_gscale");
  out.fc1_multiplier = per_expert(desc, "w13_cutlass_g_alphas");
  out.fc2_quantizer = per_expert(desc, "w2_cutlass_a_gscale");
  out.fc2_multiplier = per_expert(desc, "w2_cutlass_g_alphas");
  return out;
}

}  // namespace moe
