#include "reference/history.h"

#include "core/error/error.h"
#include "core/formats/bf16.h"
#include "core/history/collected_run.h"
#include "core/quantize/quantize.h"
#include "reference/run.h"

namespace moe::reference {
namespace {

DotHistory trace_row(const Projection& projection, int64_t row, int64_t k, const uint8_t* packed, const uint8_t* sf) {
  return trace_exact_dot(packed, sf, projection.packed + row * (k / 2), projection.scales + row * (k / 16), k);
}

/// FC1's input as codes for one projection: gate's scale may differ from up's where a checkpoint has two.
DotHistory trace_input(const Projection& projection, int64_t row, const std::vector<double>& x) {
  const auto k = static_cast<int64_t>(x.size());
  std::vector<uint8_t> packed(k / 2);
  std::vector<uint8_t> sf(k / 16);
  quantize_row_ideal(x.data(), k, projection.divider, packed.data(), sf.data());
  return trace_row(projection, row, k, packed.data(), sf.data());
}

Fc1History fc1_history(const Layer& layer, const Expert& expert, const moe_batch& one, const CollectedRun& run, const HistoryRequest& request) {
  const moe_layer_desc& shape = layer.shape();
  Fc1History out;
  out.slot = request.slot;
  out.element = request.element;
  out.activation_scale = expert.up.divider;
  out.multiplier = expert.up.multiplier;
  for (int64_t i = 0; i < shape.hidden; ++i) out.x.push_back(bf16_decode(one.x[i]));
  out.up = trace_input(expert.up, request.element, out.x);
  out.up_value = out.up.sum.back() * expert.up.multiplier;
  if (expert.gate.packed != nullptr) {
    out.gate = trace_input(expert.gate, request.element, out.x);
    out.gate_value = out.gate->sum.back() * expert.gate.multiplier;
  }
  out.act = run.at<double>("act")[int64_t{request.slot} * shape.intermediate + request.element];
  return out;
}

}  // namespace

ElementHistory element_history(const Layer& layer, const moe_batch& batch, const HistoryRequest& request) {
  const moe_layer_desc& shape = layer.shape();
  check_history_request(request, batch.tokens, shape.hidden, shape.top_k, shape.intermediate);
  const moe_batch one = one_token(batch, request.token, shape.hidden, shape.top_k);
  const Experts& experts = layer.experts(static_cast<moe_path>(batch.path));
  CollectedRun run;
  const moe_sink sink = run.sink();
  run_batch(layer, one, abi::Outputs(sink, one));

  ElementHistory out;
  out.token = request.token;
  out.column = request.column;
  out.reduction = "y = fp64 sum over slots of weight * value, nothing rounded between the stages";
  double sum = 0;
  for (int32_t slot = 0; slot < shape.top_k; ++slot) {
    const Projection& down = experts.experts[one.topk_ids[slot]].down;
    SlotHistory entry;
    entry.slot = slot;
    entry.expert = one.topk_ids[slot];
    entry.weight = one.topk_weights[slot];
    entry.activation_scale = down.divider;
    entry.multiplier = down.multiplier;
    entry.row_in_expert = row_in_expert(batch, int64_t{request.token} * shape.top_k + slot);
    const int64_t k = shape.intermediate;
    const double* act = run.at<double>("act") + slot * k;
    entry.act.assign(act, act + k);
    entry.dot = trace_row(down, request.column, k, run.at<uint8_t>("act_q") + slot * (k / 2), run.at<uint8_t>("act_sf") + slot * (k / 16));
    entry.fc2 = entry.dot.sum.back() * down.multiplier;
    entry.slices.push_back({0, k / 16, entry.dot.sum.back(), entry.fc2});
    const double value = entry.weight * entry.fc2;
    sum += value;
    out.additions.push_back({slot, 0, value, sum});
    out.slots.push_back(std::move(entry));
  }
  out.y = sum;
  if (request.slot >= 0) out.fc1 = fc1_history(layer, experts.experts[one.topk_ids[request.slot]], one, run, request);
  return out;
}

}  // namespace moe::reference
