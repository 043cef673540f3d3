#include "cuda/provider/device_layer.h"

#include "core/error/error.h"
#include "cuda/provider/graphs.h"

namespace moe::cuda {
namespace {

size_t packed_bytes(const WeightOperand& operand, int experts) { return static_cast<size_t>(experts * operand.n * (operand.k / 2)); }
size_t scale_bytes(const WeightOperand& operand, int experts) { return static_cast<size_t>(experts * operand.layout.bytes()); }

const moe_layer_desc& checked(const moe_layer_desc& desc) {
  check_layer_desc(desc);
  if (desc.contract < MOE_UNIT_ALPHA || desc.contract > MOE_CLEAN) {
    throw Error(code::kUnsupported, "the cuda provider runs prepared layers (unit-alpha, activation-alpha, clean); the other answers are the reference provider's",
                {{"subject", std::string("contract")}, {"remedy", std::string("take the provider reference")}});
  }
  return desc;
}

}  // namespace

UploadedLayer::UploadedLayer(Runtime& runtime, const moe_layer_desc& desc, const DeviceFacts& facts, const Settings& settings) : runtime_(runtime) {
  checked(desc);
  layer_.hidden = desc.hidden;
  layer_.intermediate = desc.intermediate;
  layer_.experts = desc.experts;
  layer_.top_k = desc.top_k;
  layer_.gated = desc.gated != 0;
  layer_.activation = desc.activation;
  layer_.swiglu_alpha = desc.swiglu_alpha;
  layer_.swiglu_limit = desc.swiglu_limit;
  layer_.direct_micro_divides = settings.direct_micro_divides;
  layer_.sm_count = facts.sm_count;
  layer_.compute_major = facts.major;
  layer_.compute_minor = facts.minor;
  layer_.shared_bytes_per_block = facts.shared_bytes_per_block;
  layer_.b12x = upload(b12x_scales(desc), "", nullptr);
  if (desc.threshold > 0) layer_.cutlass = upload(cutlass_scales(desc), "cutlass_", &layer_.b12x);
  const std::lock_guard lock(capture_lock());
  check(runtime, runtime.synchronize_device(), "uploading the layer");
}

uint64_t UploadedLayer::bytes() const {
  uint64_t total = 0;
  for (const DeviceMemory& memory : memory_) total += memory.bytes();
  return total;
}

DevicePath UploadedLayer::upload(const PathScales& scales, const std::string& prefix, const DevicePath* shared) {
  const int experts = layer_.experts;
  const auto operand = [&](const WeightOperand& from, const std::string& name, const DeviceOperand* same) {
    DeviceOperand out;
    out.n = static_cast<int>(from.n);
    out.k = static_cast<int>(from.k);
    out.packed = same != nullptr ? same->packed : copy(from.packed, packed_bytes(from, experts), name + "weight");
    out.scales = copy(from.scales, scale_bytes(from, experts), name + prefix + "weight_scale");
    out.scale_plane_bytes = static_cast<size_t>(from.layout.bytes());
    return out;
  };
  DevicePath out;
  out.w13 = operand(scales.w13, "w13_", shared == nullptr ? nullptr : &shared->w13);
  out.w2 = operand(scales.w2, "w2_", shared == nullptr ? nullptr : &shared->w2);
  out.fc1_quantizer = copy(scales.fc1_quantizer, "FC1 quantizer scales");
  out.fc1_multiplier = copy(scales.fc1_multiplier, "FC1 multipliers");
  out.fc2_quantizer = copy(scales.fc2_quantizer, "FC2 quantizer scales");
  out.fc2_multiplier = copy(scales.fc2_multiplier, "FC2 multipliers");
  out.shared_fc1_quantizer = scales.shared_fc1_quantizer();
  return out;
}

const uint8_t* UploadedLayer::copy(const void* host, size_t bytes, const std::string& what) {
  memory_.emplace_back(runtime_, bytes, what);
  check(runtime_, runtime_.upload(memory_.back().data(), host, bytes, nullptr), "uploading " + what);
  return memory_.back().data();
}

const float* UploadedLayer::copy(const std::vector<float>& values, const std::string& what) {
  return reinterpret_cast<const float*>(copy(values.data(), values.size() * sizeof(float), what));
}

}  // namespace moe::cuda
