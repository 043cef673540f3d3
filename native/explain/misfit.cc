#include "explain/misfit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "core/error/error.h"
#include "core/formats/bf16.h"

namespace moe::explain {
namespace {

void require_size(size_t observed, size_t model) {
  if (observed == model) return;
  throw Error(code::kWrongShape, "an observed stage does not fit the batch", {{"subject", std::string("observed")}, {"expected", std::to_string(model) + " elements"}, {"found", std::to_string(observed) + " elements"}});
}

/// @param others values that an error may give, alike in probability
Misfit of_counts(int64_t compared, int64_t mismatched, double error, double others) {
  const double agreed = static_cast<double>(compared - mismatched);
  return {-agreed * std::log1p(-error) - static_cast<double>(mismatched) * std::log(error / others), compared, mismatched};
}

}  // namespace

Misfit misfit(const Quantized& observed, const Quantized& model, double error) {
  if (observed.k != model.k || observed.rows % model.rows != 0) require_size(static_cast<size_t>(observed.rows * observed.k), static_cast<size_t>(model.rows * model.k));
  const int64_t repeat = observed.rows / model.rows;
  const int64_t blocks = model.k / 16;
  int64_t mismatched = 0;
  for (int64_t row = 0; row < observed.rows; ++row) {
    for (int64_t block = 0; block < blocks; ++block) {
      const auto at = static_cast<size_t>(row * blocks + block);
      const auto from = static_cast<size_t>(row / repeat * blocks + block);
      mismatched += observed.sf[at] != model.sf[from] || std::memcmp(observed.packed.data() + at * 8, model.packed.data() + from * 8, 8) != 0;
    }
  }
  return of_counts(observed.rows * blocks, mismatched, error, kBlockNeighbours);
}

Misfit misfit(const std::vector<float>& observed, const std::vector<float>& model, const std::vector<float>& tolerance, double error) {
  require_size(observed.size(), model.size());
  const size_t width = observed.size() / tolerance.size();
  int64_t mismatched = 0;
  for (size_t i = 0; i < observed.size(); ++i) {
    const bool agrees = std::fabs(observed[i] - model[i]) <= tolerance[i / width] || (std::isnan(observed[i]) && std::isnan(model[i]));
    mismatched += !agrees;
  }
  return of_counts(static_cast<int64_t>(observed.size()), mismatched, error, 1);
}

Misfit misfit(const std::vector<uint16_t>& observed, const std::vector<std::vector<uint16_t>>& models, double error) {
  Misfit out;
  out.compared = static_cast<int64_t>(observed.size());
  for (size_t i = 0; i < observed.size(); ++i) {
    const auto given = std::count_if(models.begin(), models.end(), [&](const auto& model) { return model[i] == observed[i]; });
    out.mismatched += given == 0;
    out.nats -= std::log(given == 0 ? error : (1 - error) * static_cast<double>(given) / static_cast<double>(models.size()));
  }
  return out;
}

double squared_distance(const std::vector<float>& a, const std::vector<float>& b) {
  require_size(a.size(), b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    if (!std::isnan(difference)) sum += difference * difference;
  }
  return sum;
}

Misfit distance_misfit(const std::vector<float>& observed, const std::vector<float>& model, double floor) {
  const auto count = static_cast<double>(observed.size());
  Misfit out;
  out.compared = static_cast<int64_t>(observed.size());
  for (size_t i = 0; i < observed.size(); ++i) out.mismatched += observed[i] != model[i];
  out.nats = count / 2 * std::log((squared_distance(observed, model) + floor) / count + 1e-38);
  return out;
}

std::vector<float> decode(const std::vector<uint16_t>& bf16) {
  std::vector<float> out(bf16.size());
  std::transform(bf16.begin(), bf16.end(), out.begin(), [](uint16_t bits) { return bf16_decode(bits); });
  return out;
}

}  // namespace moe::explain
