#include "explain/attribute.h"

#include <algorithm>
#include <cmath>

#include "core/error/error.h"
#include "core/formats/bf16.h"
#include "core/metrics/tensor_values.h"
#include "core/random/philox.h"

namespace moe::explain {
namespace {

/// FC2's accumulators of a chunk stay near this size.
constexpr int64_t kChunkBytes = int64_t{128} << 20;

std::vector<Cause> differing(const Spec& a, const Spec& b) {
  std::vector<Cause> out;
  for (int32_t c = 0; c < kCauses; ++c) {
    if (!same_cause(a, b, static_cast<Cause>(c))) out.push_back(static_cast<Cause>(c));
  }
  return out;
}

RunInput tokens_of(const RunInput& input, const LayerShape& shape, int64_t first, int64_t count) {
  const auto cut = [&](const auto& values, int64_t width) {
    return std::remove_cvref_t<decltype(values)>(values.begin() + first * width, values.begin() + (first + count) * width);
  };
  RunInput out;
  out.tokens = static_cast<int32_t>(count);
  out.x = cut(input.x, shape.hidden);
  out.topk_ids = cut(input.topk_ids, shape.top_k);
  out.topk_weights = cut(input.topk_weights, shape.top_k);
  return out;
}

void require_output(const std::optional<Tensor>& tensor, const char* side, int64_t tokens, int64_t hidden) {
  if (!tensor || (tensor->planes() == 1 && tensor->rows == tokens && tensor->columns == hidden)) return;
  throw Error(code::kWrongShape, std::string("the observed output of side ") + side + " does not fit the batch",
              {{"subject", std::string("observed") + side}, {"expected", "[" + std::to_string(tokens) + ", " + std::to_string(hidden) + "]"}, {"found", shape_text(tensor->shape)}});
}

/// Squared distances to y_B for each token: of A as it is, of A with everything undone, with each cause undone alone, and with
/// each alone left in.
struct Energies {
  std::vector<double> whole, none, b;
  std::vector<std::vector<double>> undone, alone;
};

class Chunk {
 public:
  Chunk(const Model& model, const AttributionRequest& request, RunInput input, int64_t first)
      : model_(model), request_(request), input_(std::move(input)), first_(first), modelled_a_(run(request.a)) {
    b_ = request.observed_b ? read(*request.observed_b) : request.b == request.a ? modelled_a_ : run(request.b);
    if (request.observed_a) observed_a_ = read(*request.observed_a);
  }

  /// y_A for the spec: what was observed, changed by as much as the model changes.
  void add_energy(const Spec& spec, std::vector<double>& energies) const {
    const std::vector<double> y = spec == request_.a ? modelled_a_ : run(spec);
    const size_t hidden = static_cast<size_t>(model_.shape().hidden);
    for (size_t token = 0; token < static_cast<size_t>(input_.tokens); ++token) {
      double sum = 0;
      for (size_t i = token * hidden; i < (token + 1) * hidden; ++i) {
        const double value = observed_a_.empty() ? y[i] : observed_a_[i] + (y[i] - modelled_a_[i]);
        sum += (value - b_[i]) * (value - b_[i]);
      }
      energies.push_back(sum);
    }
  }

  void add_norm(std::vector<double>& energies) const {
    const size_t hidden = static_cast<size_t>(model_.shape().hidden);
    for (size_t first = 0; first < b_.size(); first += hidden) {
      double sum = 0;
      for (size_t i = first; i < first + hidden; ++i) sum += b_[i] * b_[i];
      energies.push_back(sum);
    }
  }

 private:
  std::vector<double> run(const Spec& spec) const {
    const std::vector<uint16_t> y = model_.run_output(spec, input_, 0);
    std::vector<double> out(y.size());
    std::transform(y.begin(), y.end(), out.begin(), [](uint16_t bits) { return static_cast<double>(bf16_decode(bits)); });
    return out;
  }

  std::vector<double> read(const Tensor& tensor) const {
    const int64_t hidden = model_.shape().hidden;
    std::vector<double> out(static_cast<size_t>(input_.tokens * hidden));
    value_reader(tensor)(first_ * hidden, static_cast<int64_t>(out.size()), out.data());
    return out;
  }

  const Model& model_;
  const AttributionRequest& request_;
  const RunInput input_;
  const int64_t first_;
  std::vector<double> modelled_a_, b_, observed_a_;
};

double total(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

/// Percentile bootstrap over tokens.
std::array<double, 2> interval(const std::vector<double>& whole, const std::vector<double>& undone, uint64_t seed, int resamples) {
  if (resamples < 1) return {0, 0};
  std::vector<double> shares;
  const size_t tokens = whole.size();
  for (int sample = 0; sample < resamples; ++sample) {
    double before = 0;
    double after = 0;
    for (size_t i = 0; i < tokens; ++i) {
      const size_t pick = philox(static_cast<uint64_t>(sample) * tokens + i, seed)[0] % tokens;
      before += whole[pick];
      after += undone[pick];
    }
    shares.push_back(ratio(before - after, before));
  }
  std::sort(shares.begin(), shares.end());
  const auto at = [&](double quantile) { return shares[static_cast<size_t>(std::lround(quantile * static_cast<double>(resamples - 1)))]; };
  return {at(0.025), at(0.975)};
}

}  // namespace

Attribution attribute(const Model& model, const RunInput& input, const AttributionRequest& request, const Task& task) {
  model.check(input);
  const LayerShape& shape = model.shape();
  require_output(request.observed_a, "A", input.tokens, shape.hidden);
  require_output(request.observed_b, "B", input.tokens, shape.hidden);
  const std::vector<Cause> causes = differing(request.a, request.b);
  Spec none = request.a;
  for (const Cause cause : causes) none = with_cause_of(none, request.b, cause);

  Energies energies;
  energies.undone.resize(causes.size());
  energies.alone.resize(causes.size());
  const int64_t slices = std::max(model.slices(request.a), model.slices(request.b));
  const int64_t step = std::max<int64_t>(1, kChunkBytes / (int64_t{4} * shape.top_k * (slices * shape.hidden + shape.w13_rows() + shape.intermediate)));
  for (int64_t first = 0; first < input.tokens; first += step) {
    const Chunk chunk(model, request, tokens_of(input, shape, first, std::min<int64_t>(step, input.tokens - first)), first);
    chunk.add_norm(energies.b);
    chunk.add_energy(request.a, energies.whole);
    chunk.add_energy(none, energies.none);
    for (size_t c = 0; c < causes.size(); ++c) {
      task.check();
      chunk.add_energy(with_cause_of(request.a, request.b, causes[c]), energies.undone[c]);
      chunk.add_energy(with_cause_of(none, request.a, causes[c]), energies.alone[c]);
    }
  }

  Attribution out;
  out.energy = total(energies.whole);
  const double norm = total(energies.b);
  out.nrmse = std::sqrt(ratio(out.energy, norm));
  out.rest = ratio(total(energies.none), out.energy);
  double sum = 0;
  for (size_t c = 0; c < causes.size(); ++c) {
    CauseShare share{causes[c], ratio(out.energy - total(energies.undone[c]), out.energy), interval(energies.whole, energies.undone[c], request.seed, request.resamples), std::sqrt(ratio(total(energies.alone[c]), norm))};
    sum += share.share;
    out.causes.push_back(share);
  }
  out.interaction = out.energy > 0 ? 1 - sum - out.rest : 0;
  return out;
}

}  // namespace moe::explain
