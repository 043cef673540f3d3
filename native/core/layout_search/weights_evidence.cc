#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "core/layout_search/blocks.h"
#include "core/layout_search/evidence.h"

namespace moe {
namespace {

constexpr int64_t kBlockLimit = int64_t{1} << 19;

struct Prepared {
  std::vector<SampledRow> rows;
  /// log rms of the codes of each sampled block, row by row; NaN for a block of zeros, whose scale is the exporter's whim
  /// (ModelOpt writes 1, compressed-tensors 0.125). Empty without codes.
  std::vector<float> log_rms;
};

/// Sums of one pass over the sampled blocks, row means taken out.
struct Sums {
  double xx = 0, xy = 0, yy = 0;      // within rows
  double total = 0, mean = 0;         // of y over everything (Welford)
  double count = 0, degrees = 0;      // blocks; blocks less one a row
};

void add_row(Sums& sums, const std::vector<double>& x, const std::vector<double>& y) {
  if (y.empty()) return;
  const auto n = static_cast<double>(y.size());
  double mean_x = 0, mean_y = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    mean_x += x[i] / n;
    mean_y += y[i] / n;
  }
  for (size_t i = 0; i < y.size(); ++i) {
    sums.xx += (x[i] - mean_x) * (x[i] - mean_x);
    sums.xy += (x[i] - mean_x) * (y[i] - mean_y);
    sums.yy += (y[i] - mean_y) * (y[i] - mean_y);
    sums.count += 1;
    const double step = y[i] - sums.mean;
    sums.mean += step / sums.count;
    sums.total += step * (y[i] - sums.mean);
  }
  sums.degrees += n - 1;
}

}  // namespace

FitOf weights_evidence(const LayoutQuestion& question, int64_t& blocks, const Task& task) {
  auto prepared = std::make_shared<Prepared>();
  prepared->rows = sample_rows(question.planes, question.rows, question.columns, kBlockLimit);
  blocks = static_cast<int64_t>(prepared->rows.size()) * question.columns;
  if (question.codes != nullptr) {
    prepared->log_rms.resize(static_cast<size_t>(blocks));
    parallel_for(static_cast<int64_t>(prepared->rows.size()), task, [&](int64_t index) {
      const auto [plane, row] = prepared->rows[static_cast<size_t>(index)];
      for (int64_t column = 0; column < question.columns; ++column) {
        float squares = 0;
        for (const float value : block_values(*question.codes, plane, row, column, false)) squares += value * value;
        prepared->log_rms[static_cast<size_t>(index * question.columns + column)] = squares == 0 ? std::numeric_limits<float>::quiet_NaN() : 0.5F * std::log(squares / kBlockElements);
      }
    });
  }
  return [question, prepared](const LayoutCandidate& candidate, const OrderPlaces& places) {
    const bool coupled = !prepared->log_rms.empty();
    // Without a reference only the order of the scales AGAINST the weights matters.
    const bool swapped = scales_swapped(candidate.halves) != weights_swapped(candidate.halves);
    Sums sums;
    std::vector<double> x, y;
    for (size_t index = 0; index < prepared->rows.size(); ++index) {
      const auto [plane, row] = prepared->rows[index];
      const int64_t stored = swapped ? swapped_row(row, question.rows) : row;
      x.clear();
      y.clear();
      for (int64_t column = 0; column < question.columns; ++column) {
        const float log_rms = coupled ? prepared->log_rms[index * static_cast<size_t>(question.columns) + static_cast<size_t>(column)] : 0.0F;
        if (std::isnan(log_rms)) continue;
        x.push_back(log_rms);
        y.push_back(scale_logs()[question.scales->data[places.at(plane, stored, column)]]);
      }
      add_row(sums, x, y);
    }
    Fit fit;
    fit.nrmse = std::numeric_limits<double>::quiet_NaN();
    fit.coupling = sums.xx > 0 && sums.yy > 0 ? sums.xy / std::sqrt(sums.xx * sums.yy) : 0;
    fit.row_share = sums.total > 0 ? 1 - sums.yy / sums.total : 0;
    const double rho = std::min(0.0, std::max(-0.999999, fit.coupling));
    if (coupled) fit.log_likelihood = -0.5 * sums.degrees * std::log(1 - rho * rho);
    // Structure alone: the order in which rows differ most. One observation a row, since blocks of a row are not independent.
    else fit.log_likelihood = -0.5 * static_cast<double>(prepared->rows.size()) * std::log(std::max(1e-12, 1 - fit.row_share));
    return fit;
  };
}

}  // namespace moe
