#include "cpu/history.h"

#include <algorithm>

#include "core/formats/bf16.h"
#include "cpu/finalize.h"
#include "cpu/pipeline.h"

namespace moe::cpu {
namespace {

constexpr int64_t kSliceBlocks = 128 / 16;

const char* reduction_name(Reduction reduction) {
  switch (reduction) {
    case Reduction::kCutlass: return "bf16(acc * alpha) a slot; y = bf16(fp32 sum over slots of weight * value)";
    case Reduction::kSlices: return "bf16(bf16(acc * alpha) * weight) a slice of 128 of I, added into bf16 y";
    case Reduction::kGatedDynamic: return "bf16(bf16(acc) * bf16(alpha * weight)) a slot, added into bf16 y";
    case Reduction::kDirectMicro: return "y = bf16(fp32 sum over slots of acc * (alpha * weight))";
  }
  return "";
}

/// Scales of one weight row in column order.
std::vector<uint8_t> scale_row(const WeightOperand& weights, int64_t expert, int64_t row) {
  std::vector<uint8_t> out(weights.k / 16);
  for (int64_t block = 0; block < weights.k / 16; ++block) out[block] = weights.scale_plane(expert)[weights.layout.offset(row, block)];
  return out;
}

DotHistory trace_row(const WeightOperand& weights, int64_t expert, int64_t row, const uint8_t* packed, const uint8_t* sf, int64_t slice_blocks) {
  const std::vector<uint8_t> scales = scale_row(weights, expert, row);
  return trace_dot(packed, sf, weights.packed_plane(expert) + row * (weights.k / 2), scales.data(), weights.k, slice_blocks);
}

void require_same(double found, double expected, const char* what) {
  if (found == expected || (found != found && expected != expected)) return;
  throw Error(code::kInternal, std::string("the history of ") + what + " does not lead to the value that the run gave", {{"expected", std::to_string(expected)}, {"found", std::to_string(found)}});
}

}  // namespace

TokenTrace::TokenTrace(const Layer& layer, const moe_batch& batch, int64_t token)
    : layer_(layer), batch_(batch), one_(one_token(batch, token, layer.shape().hidden, layer.shape().top_k)), recipe_(choose_recipe(layer, batch)), token_(token) {
  slice_blocks_ = recipe_.reduction == Reduction::kSlices ? kSliceBlocks : layer.shape().intermediate / 16;
  const moe_sink sink = run_.sink();
  run_batch(layer, one_, abi::Outputs(sink, one_));
}

double TokenTrace::activation_scale(const std::vector<float>& scales, int32_t expert) const {
  const double scale = recipe_.inverts_scale && scales[expert] != 0 ? 1.0F / scales[expert] : scales[expert];
  switch (recipe_.quantizer) {
    case Quantizer::kB12xExact:
    case Quantizer::kB12xFast:
    case Quantizer::kB12xWide: return scale;
    default: return 1.0 / scale;
  }
}

DotHistory TokenTrace::fc2_dot(int32_t slot, int64_t column) const {
  const WeightOperand& weights = recipe_.scales.w2;
  return trace_row(weights, expert(slot), column, run_.at<uint8_t>("act_q") + slot * (weights.k / 2), run_.at<uint8_t>("act_sf") + slot * (weights.k / 16), slice_blocks_);
}

ElementHistory TokenTrace::element(int64_t column) const {
  const moe_layer_desc& shape = layer_.shape();
  const int64_t blocks = shape.intermediate / 16;
  const int64_t slices = (blocks + slice_blocks_ - 1) / slice_blocks_;
  Finalizer finalizer(recipe_.reduction, 1, shape.top_k, kPanel, slices);
  finalizer.keep_fc2(true);
  ElementHistory out;
  out.token = static_cast<int32_t>(token_);
  out.column = column;
  out.reduction = reduction_name(recipe_.reduction);
  for (int32_t slot = 0; slot < shape.top_k; ++slot) {
    SlotHistory entry;
    entry.slot = slot;
    entry.expert = expert(slot);
    entry.weight = weight(slot);
    entry.activation_scale = activation_scale(recipe_.scales.fc2_quantizer, entry.expert);
    entry.multiplier = recipe_.scales.fc2_multiplier[entry.expert];
    entry.row_in_expert = row_in_expert(batch_, token_ * shape.top_k + slot);
    const float* act = run_.at<float>("act") + int64_t{slot} * shape.intermediate;
    entry.act.assign(act, act + shape.intermediate);
    entry.dot = fc2_dot(slot, column);
    for (int64_t slice = 0; slice < slices; ++slice) {
      const int64_t first = slice * slice_blocks_;
      const int64_t last = std::min(blocks, first + slice_blocks_);
      const float acc[kPanel] = {static_cast<float>(entry.dot.sum[last - 1])};
      finalizer.put(slot, slice, 0, acc, recipe_.scales.fc2_multiplier[entry.expert], weight(slot));
      entry.slices.push_back({first, last - first, acc[0], finalizer.fc2_of_slice(slot, slice, 0)});
    }
    float fc2[kPanel];
    finalizer.fc2(slot, fc2);
    entry.fc2 = fc2[0];
    require_same(entry.fc2, run_.at<float>("fc2")[int64_t{slot} * shape.hidden + column], "FC2");
    out.slots.push_back(std::move(entry));
  }
  for (const Finalizer::Step& step : finalizer.steps(0, one_.topk_weights, 0)) out.additions.push_back({static_cast<int32_t>(step.slot), step.slice, step.value, step.sum});
  uint16_t y[kPanel];
  finalizer.reduce(0, token_, one_.topk_weights, true, 0, y);
  out.y = bf16_decode(y[0]);
  require_same(out.y, bf16_decode(run_.at<uint16_t>("y")[column]), "y");
  return out;
}

Fc1History TokenTrace::fc1(int32_t slot, int64_t element) const {
  const moe_layer_desc& shape = layer_.shape();
  const WeightOperand& weights = recipe_.scales.w13;
  const int64_t row = run_.rows("x_q") == 1 ? 0 : slot;
  const uint8_t* packed = run_.at<uint8_t>("x_q") + row * (weights.k / 2);
  const uint8_t* sf = run_.at<uint8_t>("x_sf") + row * (weights.k / 16);
  Fc1History out;
  out.slot = slot;
  out.element = element;
  out.activation_scale = activation_scale(recipe_.scales.fc1_quantizer, expert(slot));
  out.multiplier = recipe_.scales.fc1_multiplier[expert(slot)];
  for (int64_t i = 0; i < shape.hidden; ++i) out.x.push_back(bf16_decode(one_.x[i]));
  out.up = trace_row(weights, expert(slot), element, packed, sf, weights.k / 16);
  const float* fc1 = run_.at<float>("fc1") + slot * layer_.fc1_width();
  const auto scaled = [&](const DotHistory& dot) {
    const float value = static_cast<float>(dot.sum.back()) * recipe_.scales.fc1_multiplier[expert(slot)];
    return recipe_.rounds_fc1 ? bf16_round(value) : value;
  };
  out.up_value = scaled(out.up);
  require_same(out.up_value, fc1[element], "FC1");
  if (shape.gated != 0) {
    out.gate = trace_row(weights, expert(slot), shape.intermediate + element, packed, sf, weights.k / 16);
    out.gate_value = scaled(*out.gate);
    require_same(out.gate_value, fc1[shape.intermediate + element], "FC1");
  }
  out.act = run_.at<float>("act")[int64_t{slot} * shape.intermediate + element];
  return out;
}

ElementHistory element_history(const Layer& layer, const moe_batch& batch, const HistoryRequest& request) {
  check_history_request(request, batch.tokens, layer.shape().hidden, layer.shape().top_k, layer.shape().intermediate);
  const TokenTrace trace(layer, batch, request.token);
  ElementHistory out = trace.element(request.column);
  if (request.slot >= 0) out.fc1 = trace.fc1(request.slot, request.element);
  return out;
}

}  // namespace moe::cpu
