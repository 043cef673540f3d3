#include <algorithm>
#include <cstring>
#include <string>

#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/scales.h"
#include "core/error/error.h"

namespace moe {
namespace {

void check_shape(const LayerShape& shape) {
  const auto fail = [](const std::string& what, const std::string& expected, int64_t found, const std::string& remedy) {
    throw Error(code::kUnsupportedShape, what + " must be " + expected + ", found " + std::to_string(found),
                {{"subject", what}, {"expected", expected}, {"found", std::to_string(found)}, {"remedy", remedy}});
  };
  const std::string blocks = "NVFP4 has blocks of 16 elements along K: pad the model before it is quantized";
  if (shape.hidden <= 0 || shape.hidden % 16 != 0) fail("hidden size", "a positive multiple of 16", shape.hidden, blocks);
  if (shape.intermediate <= 0 || shape.intermediate % 16 != 0) fail("intermediate size", "a positive multiple of 16", shape.intermediate, blocks);
  if (shape.experts <= 0) fail("number of experts", "1 or more", shape.experts, "this layer is not a mixture of experts");
  if (shape.top_k <= 0 || shape.top_k > shape.experts) fail("top-k", "from 1 to the number of experts, " + std::to_string(shape.experts), shape.top_k, "correct config.json");
}

void check_sources(const ProjectionSources& sources, const AssembleSpec& spec, const std::string& projection) {
  const auto experts = static_cast<size_t>(spec.shape.experts);
  const bool lengths = sources.file.size() == experts && sources.packed.size() == experts && sources.scale_file.size() == experts && sources.scale.size() == experts &&
                       sources.s2.size() == experts && (sources.input_scale.empty() || sources.input_scale.size() == experts);
  if (!lengths) throw Error(code::kUsage, projection + ": each array must have " + std::to_string(experts) + " elements, one an expert", {{"subject", projection}});
  for (const auto* indices : {&sources.file, &sources.scale_file}) {
    for (const int32_t index : *indices) {
      if (index < 0 || static_cast<size_t>(index) >= spec.files.size()) {
        throw Error(code::kUsage, projection + ": file index " + std::to_string(index) + " is not one of " + std::to_string(spec.files.size()) + " files", {{"subject", projection}});
      }
    }
  }
}

/// Builds one layer; `fill_*` run in parallel, each on its own expert.
class Assembler {
 public:
  explicit Assembler(const AssembleSpec& spec) : spec_(spec), layer_(std::make_shared<CheckpointLayer>()) {
    check_shape(spec.shape);
    if (spec.gate.has_value() != spec.shape.gated) throw Error(code::kUsage, "a gate projection is given exactly when the layer is gated");
    if (spec.gate) check_sources(*spec.gate, spec, "gate");
    check_sources(spec.up, spec, "up");
    check_sources(spec.down, spec, "down");
    layer_->shape = spec.shape;
    read_scalars();
    allocate();
  }

  std::shared_ptr<const CheckpointLayer> build(const Task& task) {
    const int64_t experts = spec_.shape.experts;
    changed_.assign(static_cast<size_t>(experts), 0);
    parallel_for(2 * experts, task, [&](int64_t step) {
      if (step < experts) fill_fc1(step);
      else fill_fc2(step - experts);
    });
    for (const int64_t changed : changed_) layer_->report.rescaled_block_scales += changed;
    for (const Tensor& tensor : layer_->tensors()) layer_->report.bytes += tensor.bytes;
    return layer_;
  }

 private:
  void read_scalars() {
    CheckpointLayer& out = *layer_;
    const auto experts = static_cast<size_t>(spec_.shape.experts);
    s2_up_ = small_scales(spec_.up.s2, spec_.convention, "up", "weight_scale_2");
    s2_down_ = small_scales(spec_.down.s2, spec_.convention, "down", "weight_scale_2");
    s2_gate_ = spec_.gate ? small_scales(spec_.gate->s2, spec_.convention, "gate", "weight_scale_2") : s2_up_;
    s2_13_.resize(experts);
    differing_.assign(experts, -1);
    for (size_t e = 0; e < experts; ++e) {
      s2_13_[e] = spec_.merge == Merge::kMax ? std::max(s2_gate_[e], s2_up_[e]) : s2_gate_[e];
      if (s2_gate_[e] != s2_up_[e]) differing_[e] = out.report.differing_gate_up++;
    }
    const auto [down_min, down_max] = std::minmax_element(s2_down_.begin(), s2_down_.end());
    out.report.s2_min = *down_min;
    out.report.s2_max = *down_max;
    for (const auto* scales : {&s2_gate_, &s2_up_}) {
      const auto [low, high] = std::minmax_element(scales->begin(), scales->end());
      out.report.s2_min = std::min(out.report.s2_min, *low);
      out.report.s2_max = std::max(out.report.s2_max, *high);
    }
    read_input_scales();
  }

  void read_input_scales() {
    const ProjectionSources* gate = spec_.gate ? &*spec_.gate : &spec_.up;
    const bool any = !gate->input_scale.empty() || !spec_.up.input_scale.empty() || !spec_.down.input_scale.empty();
    const bool all = !gate->input_scale.empty() && !spec_.up.input_scale.empty() && !spec_.down.input_scale.empty();
    if (any != all) {
      throw Error(code::kBadScale, "input scales must be present for every projection or for none",
                  {{"subject", std::string("input_scale")}, {"field", std::string("input_scale")}, {"remedy", std::string("export the checkpoint again")}});
    }
    if (!all) return;
    const auto gate_small = small_scales(gate->input_scale, spec_.convention, spec_.gate ? "gate" : "up", "input_scale");
    const auto up_small = small_scales(spec_.up.input_scale, spec_.convention, "up", "input_scale");
    const auto down_small = small_scales(spec_.down.input_scale, spec_.convention, "down", "input_scale");
    const int64_t experts = spec_.shape.experts;
    const int64_t halves = spec_.shape.gated ? 2 : 1;
    NewTensor w13 = new_tensor("w13_input_scale", DType::kF32, Layout::kLinear, {experts, halves});
    NewTensor w2 = new_tensor("w2_input_scale", DType::kF32, Layout::kLinear, {experts});
    float a1 = 0;
    float a2 = 0;
    for (int64_t e = 0; e < experts; ++e) {
      const auto i = static_cast<size_t>(e);
      w13.f32()[e * halves] = gate_small[i];
      if (halves == 2) w13.f32()[e * halves + 1] = up_small[i];
      w2.f32()[e] = down_small[i];
      a1 = std::max({a1, gate_small[i], up_small[i]});
      a2 = std::max(a2, down_small[i]);
    }
    layer_->w13_input_scale = std::move(w13.tensor);
    layer_->w2_input_scale = std::move(w2.tensor);
    layer_->report.a1 = a1;
    layer_->report.a2 = a2;
  }

  void allocate() {
    CheckpointLayer& out = *layer_;
    const int64_t e = spec_.shape.experts;
    const int64_t h = spec_.shape.hidden;
    const int64_t i = spec_.shape.intermediate;
    const int64_t rows = spec_.shape.w13_rows();
    NewTensor w13 = new_tensor("w13_weight", DType::kU8, Layout::kFp4, {e, rows, h / 2});
    NewTensor w2 = new_tensor("w2_weight", DType::kU8, Layout::kFp4, {e, h, i / 2});
    NewTensor scale13 = new_tensor("w13_weight_scale", DType::kF8E4m3, Layout::kLinear, {e, rows, h / 16});
    NewTensor scale2 = new_tensor("w2_weight_scale", DType::kF8E4m3, Layout::kLinear, {e, h, i / 16});
    NewTensor s2_13 = new_tensor("w13_weight_scale_2", DType::kF32, Layout::kLinear, {e});
    NewTensor s2_2 = new_tensor("w2_weight_scale_2", DType::kF32, Layout::kLinear, {e});
    std::copy(s2_13_.begin(), s2_13_.end(), s2_13.f32());
    std::copy(s2_down_.begin(), s2_down_.end(), s2_2.f32());
    w13_ = w13.data;
    w2_ = w2.data;
    scale13_ = scale13.data;
    scale2_ = scale2.data;
    out.w13_weight = std::move(w13.tensor);
    out.w2_weight = std::move(w2.tensor);
    out.w13_weight_scale = std::move(scale13.tensor);
    out.w2_weight_scale = std::move(scale2.tensor);
    out.w13_weight_scale_2 = std::move(s2_13.tensor);
    out.w2_weight_scale_2 = std::move(s2_2.tensor);
    out.up.resize(static_cast<size_t>(e));
    out.down.resize(static_cast<size_t>(e));
    out.gate.resize(spec_.gate ? static_cast<size_t>(e) : 0);
    if (spec_.merge == Merge::kMax && out.report.differing_gate_up > 0) {
      auto originals = std::make_shared<HeapBacking>(static_cast<uint64_t>(out.report.differing_gate_up * rows * (h / 16)));
      originals_ = originals->data();
      out.original_scales = std::move(originals);
    }
  }

  /// Copies one projection of one expert and checks its block scales; returns its record for the reference provider.
  moe_projection fill(const ProjectionSources& sources, const std::string& projection, int64_t expert, int64_t rows, int64_t columns, uint8_t* packed, uint8_t* scales) const {
    const auto e = static_cast<size_t>(expert);
    const MappedFile& weight_file = *spec_.files[static_cast<size_t>(sources.file[e])];
    const MappedFile& scale_file = *spec_.files[static_cast<size_t>(sources.scale_file[e])];
    const auto packed_bytes = static_cast<uint64_t>(rows * columns / 2);
    const auto scale_bytes = static_cast<uint64_t>(rows * columns / 16);
    const uint8_t* from_packed = weight_file.range(sources.packed[e], packed_bytes);
    const uint8_t* from_scales = scale_file.range(sources.scale[e], scale_bytes);
    weight_file.ensure_readable();
    scale_file.ensure_readable();
    std::memcpy(packed, from_packed, packed_bytes);
    std::memcpy(scales, from_scales, scale_bytes);
    check_block_scales(scales, rows, columns / 16, projection, expert);
    const bool small = spec_.convention == Convention::kSmall;
    const float input = sources.input_scale.empty() ? 0.0F : sources.input_scale[e];
    return {packed, scales, small ? sources.s2[e] : 0.0F, small ? 0.0F : sources.s2[e], small ? input : 0.0F, small ? 0.0F : input};
  }

  void fill_fc1(int64_t expert) {
    const auto e = static_cast<size_t>(expert);
    const int64_t rows = spec_.shape.intermediate;
    const int64_t columns = spec_.shape.hidden;
    const int64_t half_packed = rows * columns / 2;
    const int64_t half_scales = rows * columns / 16;
    const int64_t halves = spec_.gate ? 2 : 1;
    uint8_t* packed = w13_ + expert * halves * half_packed;
    uint8_t* scales = scale13_ + expert * halves * half_scales;
    // Rows [up, gate]: what FlashInfer's kernels take (vLLM reorder_w1w3_to_w3w1).
    layer_->up[e] = fill(spec_.up, "up", expert, rows, columns, packed, scales);
    if (!spec_.gate) return;
    layer_->gate[e] = fill(*spec_.gate, "gate", expert, rows, columns, packed + half_packed, scales + half_scales);
    if (spec_.merge != Merge::kMax || differing_[e] < 0) return;
    uint8_t* originals = originals_ + differing_[e] * 2 * half_scales;
    std::memcpy(originals, scales, static_cast<size_t>(2 * half_scales));
    layer_->up[e].block_scale = originals;
    layer_->gate[e].block_scale = originals + half_scales;
    const float common = s2_13_[e];
    changed_[e] = rescale_block_scales(scales, half_scales, s2_up_[e] / common) + rescale_block_scales(scales + half_scales, half_scales, s2_gate_[e] / common);
  }

  void fill_fc2(int64_t expert) {
    const int64_t rows = spec_.shape.hidden;
    const int64_t columns = spec_.shape.intermediate;
    layer_->down[static_cast<size_t>(expert)] =
        fill(spec_.down, "down", expert, rows, columns, w2_ + expert * rows * columns / 2, scale2_ + expert * rows * columns / 16);
  }

  const AssembleSpec& spec_;
  std::shared_ptr<CheckpointLayer> layer_;
  std::vector<float> s2_gate_, s2_up_, s2_down_, s2_13_;
  std::vector<int64_t> differing_;  // [E] index among the experts whose gate and up differ, or -1
  std::vector<int64_t> changed_;    // [E] block scales changed by merging
  uint8_t *w13_ = nullptr, *w2_ = nullptr, *scale13_ = nullptr, *scale2_ = nullptr, *originals_ = nullptr;
};

}  // namespace

std::vector<Tensor> CheckpointLayer::tensors() const {
  std::vector<Tensor> all = {w13_weight, w2_weight, w13_weight_scale, w2_weight_scale, w13_weight_scale_2, w2_weight_scale_2};
  if (w13_input_scale) all.push_back(*w13_input_scale);
  if (w2_input_scale) all.push_back(*w2_input_scale);
  return all;
}

std::shared_ptr<const CheckpointLayer> assemble(const AssembleSpec& spec, const Task& task) { return Assembler(spec).build(task); }

}  // namespace moe
