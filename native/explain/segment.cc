#include "explain/segment.h"

#include <algorithm>
#include <cmath>

#include "core/error/error.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"

namespace moe::explain {
namespace {

constexpr double kLeastError = 1e-3;       ///< of an element of a float stage
constexpr double kLeastBlockError = 1e-4;  ///< of a block: quantizers have no order of additions
constexpr double kErrorMargin = 3;         ///< over the measured share of order noise
constexpr float kToleranceMargin = 4;      ///< over the largest deviation that kOrders drawn orders showed in a row
constexpr int kOrders = 3;
constexpr int kOutputOrders = 24;
constexpr double kNatsToName = 12;       ///< odds of 160 000 to 1 for a deviation against none
constexpr double kShareToName = 0.05;      ///< of the squared distance, where a quantizer lies in between
constexpr float kLeastTolerance = 5e-7F;   ///< relative to the row's RMS; a few fp32 units

bool quantizes(Stage stage) { return stage == Stage::kX || stage == Stage::kActQ; }

bool exact_between(std::optional<Stage> start, Stage end) {
  const int first = start ? static_cast<int>(*start) + 1 : 0;
  for (int stage = first; stage < static_cast<int>(end); ++stage) {
    if (quantizes(static_cast<Stage>(stage))) return false;
  }
  return true;
}

double row_rms(const std::vector<float>& values, size_t row, size_t width) {
  double sum = 0;
  for (size_t i = row * width; i < (row + 1) * width; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum / static_cast<double>(width));
}

std::vector<float> values_of(const Quantized& quantized) {
  std::vector<float> out(static_cast<size_t>(quantized.rows * quantized.k));
  for (size_t i = 0; i < out.size(); ++i) {
    const uint8_t byte = quantized.packed[i / 2];
    out[i] = e2m1_decode(i % 2 == 0 ? byte & 15U : byte >> 4U) * e4m3_decode(quantized.sf[i / 16]);
  }
  return out;
}

}  // namespace

bool Observation::has(Stage stage) const {
  switch (stage) {
    case Stage::kX: return x.has_value();
    case Stage::kFc1: return fc1.has_value();
    case Stage::kAct: return act.has_value();
    case Stage::kActQ: return act_q.has_value();
    case Stage::kFc2: return fc2.has_value();
    case Stage::kY: break;
  }
  return y.has_value();
}

Segment::Segment(const Model& model, const RunInput& input, const Observation& observation, std::optional<Stage> start, Stage end, uint64_t seed)
    : model_(model), input_(input), observation_(observation), start_(start), end_(end), seed_(seed), exact_(exact_between(start, end)) {
  switch (end) {
    case Stage::kX: observed_.quantized = *observation.x; break;
    case Stage::kFc1: observed_.values = *observation.fc1; break;
    case Stage::kAct: observed_.values = *observation.act; break;
    case Stage::kActQ: observed_.quantized = *observation.act_q; break;
    case Stage::kFc2: observed_.values = *observation.fc2; break;
    case Stage::kY: observed_.y = {*observation.y}; break;
  }
}

Segment::Output Segment::run(const Spec& spec, uint64_t seed, int orders) const {
  const int first = start_ ? static_cast<int>(*start_) + 1 : 0;
  const auto needed = [&](Stage stage) { return first <= static_cast<int>(stage); };
  Output out;
  const Quantized x = needed(Stage::kX) ? model_.quantize_x(spec, input_) : start_ == Stage::kX ? *observation_.x : Quantized{};
  if (end_ == Stage::kX) return {x, {}, {}};
  const std::vector<float> fc1 = needed(Stage::kFc1) ? model_.fc1(spec, input_, x, seed) : start_ == Stage::kFc1 ? *observation_.fc1 : std::vector<float>{};
  if (end_ == Stage::kFc1) return {{}, fc1, {}};
  const std::vector<float> act = needed(Stage::kAct) ? model_.activate(spec, fc1) : start_ == Stage::kAct ? *observation_.act : std::vector<float>{};
  if (end_ == Stage::kAct) return {{}, act, {}};
  const Quantized act_q = needed(Stage::kActQ) ? model_.quantize_act(spec, act) : *observation_.act_q;
  if (end_ == Stage::kActQ) return {act_q, {}, {}};
  const std::vector<float> sums = model_.fc2_sums(spec, input_, act_q, seed);
  if (end_ == Stage::kFc2) return {{}, model_.fc2(spec, input_, sums), {}};
  const bool ordered = !spec.adds_bf16 || model_.shape().top_k * model_.slices(spec) <= 2;  // two bf16 addends commute
  const int count = ordered ? 1 : orders;
  // The documented order is the first of the drawn ones.
  for (int order = 0; order < count; ++order) out.y.push_back(model_.combine(spec, input_, sums, count == 1 ? seed : order == 0 ? 0 : seed_ * 64 + static_cast<uint64_t>(order)));
  return out;
}

void Segment::measure_tolerance(const Spec& spec) {
  const std::vector<float>& values = observed_.values;
  const size_t rows = input_.topk_ids.size();
  const size_t width = values.size() / rows;
  std::vector<double> relative(rows, kLeastTolerance);
  if (end_ != Stage::kAct) {
    // Without the rounding to bf16: a flip of it is not a tolerance but counts as a mismatch.
    Spec raw = spec;
    raw.rounds_fc1 = raw.rounds_fc2 = false;
    const std::vector<float> documented = run(raw, 0, 1).values;
    for (int order = 1; order <= kOrders; ++order) {
      const std::vector<float> other = run(raw, seed_ * 64 + 32 + static_cast<uint64_t>(order), 1).values;
      for (size_t row = 0; row < rows; ++row) {
        double largest = 0;
        for (size_t i = row * width; i < (row + 1) * width; ++i) largest = std::fmax(largest, std::fabs(static_cast<double>(other[i]) - static_cast<double>(documented[i])));
        const double rms = row_rms(documented, row, width);
        if (rms > 0) relative[row] = std::fmax(relative[row], kToleranceMargin * largest / rms);
      }
    }
  }
  tolerance_.resize(rows);
  for (size_t row = 0; row < rows; ++row) tolerance_[row] = static_cast<float>(relative[row] * row_rms(values, row, width));
}

void Segment::calibrate(const Spec& spec) {
  const bool values = end_ == Stage::kFc1 || end_ == Stage::kAct || end_ == Stage::kFc2;
  error_ = quantizes(end_) ? kLeastBlockError : kLeastError;
  if (exact_ && values) measure_tolerance(spec);
  // An output of the spec itself, added up in an order of its own.
  const uint64_t own = seed_ * 64 + 63;
  Output drawn = run(spec, own, kOutputOrders);
  if (drawn.y.size() > 1) drawn.y = {drawn.y.back()};
  Output model = run(spec, 0, kOutputOrders);
  if (model.y.size() > 1) model.y.pop_back();
  if (!exact_) {
    const auto flat = [](const Output& output) { return !output.y.empty() ? decode(output.y.front()) : !output.values.empty() ? output.values : values_of(output.quantized); };
    distance_floor_ = squared_distance(flat(drawn), flat(model));
  } else if (values) {
    std::vector<float> scaled = tolerance_;
    const size_t width = drawn.values.size() / scaled.size();
    for (size_t row = 0; row < scaled.size(); ++row) {
      const double rms = row_rms(observed_.values, row, width);
      if (rms > 0) scaled[row] *= static_cast<float>(row_rms(model.values, row, width) / rms);
    }
    error_ = std::fmax(error_, kErrorMargin * misfit(drawn.values, model.values, scaled, error_).share());
  }
  floor_ = compare(drawn, model);
}

Misfit Segment::compare(const Output& observed, const Output& model) const {
  if (!exact_) {
    const auto flat = [](const Output& output) { return !output.y.empty() ? decode(output.y.front()) : !output.values.empty() ? output.values : values_of(output.quantized); };
    return distance_misfit(flat(observed), flat(model), distance_floor_);
  }
  if (quantizes(end_)) return misfit(observed.quantized, model.quantized, error_);
  if (end_ == Stage::kY) return misfit(observed.y.front(), model.y, error_);
  return misfit(observed.values, model.values, tolerance_, error_);
}

Misfit Segment::fit(const Spec& spec) const { return compare(observed_, run(spec, 0, kOutputOrders)); }

double Segment::least_gain() const {
  return exact_ ? kNatsToName : std::fmax(kNatsToName, -std::log1p(-kShareToName) * static_cast<double>(floor_.compared) / 2);
}

namespace {

void require_fit(const char* name, bool fits, const std::string& expected) {
  if (!fits) throw Error(code::kWrongShape, std::string("the observed ") + name + " does not fit the batch", {{"subject", std::string(name)}, {"expected", expected}, {"found", std::string("another size")}});
}

void require_fit(const Model& model, const RunInput& input, const Observation& observation) {
  const LayerShape& shape = model.shape();
  const auto pairs = static_cast<int64_t>(input.topk_ids.size());
  const auto text = [](int64_t rows, int64_t columns) { return "[" + std::to_string(rows) + ", " + std::to_string(columns) + "]"; };
  const auto sized = [&](const char* name, const auto& values, int64_t rows, int64_t columns) {
    if (values) require_fit(name, static_cast<int64_t>(values->size()) == rows * columns, text(rows, columns));
  };
  if (observation.x) require_fit("x_q", observation.x->k == shape.hidden && (observation.x->rows == input.tokens || observation.x->rows == pairs), text(input.tokens, shape.hidden));
  if (observation.act_q) require_fit("act_q", observation.act_q->k == shape.intermediate && observation.act_q->rows == pairs, text(pairs, shape.intermediate));
  sized("fc1", observation.fc1, pairs, shape.w13_rows());
  sized("act", observation.act, pairs, shape.intermediate);
  sized("fc2", observation.fc2, pairs, shape.hidden);
  sized("y", observation.y, input.tokens, shape.hidden);
}

}  // namespace

std::vector<Segment> segments_of(const Model& model, const RunInput& input, const Observation& observation, uint64_t seed) {
  require_fit(model, input, observation);
  std::vector<Segment> out;
  std::optional<Stage> start;
  for (int i = 0; i <= static_cast<int>(Stage::kY); ++i) {
    const auto stage = static_cast<Stage>(i);
    if (!observation.has(stage)) continue;
    out.emplace_back(model, input, observation, start, stage, seed);
    if (stage < Stage::kFc2) start = stage;
  }
  return out;
}

}  // namespace moe::explain
