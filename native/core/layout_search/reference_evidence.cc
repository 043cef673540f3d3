#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "core/layout_search/blocks.h"
#include "core/layout_search/evidence.h"
#include "core/tensor/elements.h"

namespace moe {
namespace {

/// Ways to read the codes: weights' halves swapped or not, nibbles high first or not.
constexpr size_t kReadings = 4;
constexpr size_t reading_of(bool swapped, bool high_first) { return (swapped ? 2U : 0U) + (high_first ? 1U : 0U); }
constexpr size_t reading_of(const LayoutCandidate& candidate) { return reading_of(weights_swapped(candidate.halves), candidate.high_first); }

constexpr int64_t kBlockLimit = int64_t{1} << 17;
constexpr int64_t kOutputLimit = int64_t{1} << 21;  // blocks times tokens

int64_t code_row(const LayoutQuestion& question, int64_t row, size_t reading) { return reading >= 2 ? swapped_row(row, question.rows) : row; }
int64_t scale_row(const LayoutQuestion& question, int64_t row, const LayoutCandidate& candidate) {
  return scales_swapped(candidate.halves) ? swapped_row(row, question.rows) : row;
}

/// Normal errors of unknown size around factor * prediction: the factor must be positive, as every global scale is.
struct BestFit {
  double cross = 0, predicted = 0, observed = 0;
  double squared_error() const { return cross > 0 && predicted > 0 ? std::max(0.0, observed - cross * cross / predicted) : observed; }
};

/// `observations`: independent numbers behind the error.
Fit fit_of(double squared_error, double observed, double observations) {
  Fit fit;
  const double share = observed > 0 ? squared_error / observed : 1;
  fit.nrmse = std::sqrt(share);
  // A dequantized reference is explained to the last bit: the floor keeps the logarithm finite.
  fit.log_likelihood = -0.5 * observations * std::log(std::max(share, 1e-14));
  return fit;
}

struct BlockDots {
  std::array<std::vector<float>, kReadings> with_reference;  // sum of code * w
  std::array<std::vector<float>, kReadings> squares;         // sum of code^2
};

}  // namespace

FitOf reference_weights_evidence(const LayoutQuestion& question, int64_t& blocks, const Task& task) {
  auto rows = std::make_shared<std::vector<SampledRow>>(sample_rows(question.planes, question.rows, question.columns, kBlockLimit));
  auto dots = std::make_shared<BlockDots>();
  auto observed = std::make_shared<std::vector<double>>(rows->size());
  blocks = static_cast<int64_t>(rows->size()) * question.columns;
  for (size_t reading = 0; reading < kReadings; ++reading) {
    dots->with_reference[reading].resize(static_cast<size_t>(blocks));
    dots->squares[reading].resize(static_cast<size_t>(blocks));
  }
  parallel_for(static_cast<int64_t>(rows->size()), task, [&](int64_t index) {
    const auto [plane, row] = (*rows)[static_cast<size_t>(index)];
    const PlaneReader reference(*question.weights, plane);
    for (int64_t column = 0; column < question.columns; ++column) {
      std::array<double, kBlockElements> w{};
      for (int64_t i = 0; i < kBlockElements; ++i) {
        const double value = reference.at(row, column * kBlockElements + i).value;
        w[static_cast<size_t>(i)] = std::isfinite(value) ? value : 0;
        (*observed)[static_cast<size_t>(index)] += w[static_cast<size_t>(i)] * w[static_cast<size_t>(i)];
      }
      for (size_t reading = 0; reading < kReadings; ++reading) {
        if (reading >= 2 && !question.gated) continue;
        const auto values = block_values(*question.codes, plane, code_row(question, row, reading), column, reading % 2 == 1);
        double dot = 0, squares = 0;
        for (size_t i = 0; i < values.size(); ++i) {
          dot += static_cast<double>(values[i]) * w[i];
          squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
        }
        dots->with_reference[reading][static_cast<size_t>(index * question.columns + column)] = static_cast<float>(dot);
        dots->squares[reading][static_cast<size_t>(index * question.columns + column)] = static_cast<float>(squares);
      }
    }
  });
  return [question, rows, dots, observed](const LayoutCandidate& candidate, const OrderPlaces& places) {
    const size_t reading = reading_of(candidate);
    std::vector<BestFit> planes(static_cast<size_t>(question.planes));
    size_t block = 0;
    for (size_t index = 0; index < rows->size(); ++index) {
      const auto [plane, row] = (*rows)[index];
      BestFit& sums = planes[static_cast<size_t>(plane)];
      sums.observed += (*observed)[index];
      const int64_t stored = scale_row(question, row, candidate);
      for (int64_t column = 0; column < question.columns; ++column, ++block) {
        const double scale = scale_values()[question.scales->data[places.at(plane, stored, column)]];
        sums.cross += scale * dots->with_reference[reading][block];
        sums.predicted += scale * scale * dots->squares[reading][block];
      }
    }
    double error = 0, total = 0;
    for (const BestFit& sums : planes) {
      error += sums.squared_error();
      total += sums.observed;
    }
    // Errors of the 16 elements of a block share its scale: one observation a block.
    return fit_of(error, total, static_cast<double>(block));
  };
}

FitOf reference_output_evidence(const LayoutQuestion& question, int64_t& blocks, const Task& task) {
  const int64_t tokens = question.x->rows;
  const int64_t elements = question.columns * kBlockElements;
  auto rows = std::make_shared<std::vector<SampledRow>>(sample_rows(question.planes, question.rows, question.columns, std::max<int64_t>(question.columns, kOutputLimit / tokens), question.plane));
  blocks = static_cast<int64_t>(rows->size()) * question.columns;
  std::vector<float> x(static_cast<size_t>(tokens * elements));
  const PlaneReader input(*question.x, 0);
  for (int64_t token = 0; token < tokens; ++token) {
    for (int64_t k = 0; k < elements; ++k) x[static_cast<size_t>(token * elements + k)] = static_cast<float>(input.at(token, k).value);
  }
  auto dots = std::make_shared<std::array<std::vector<float>, kReadings>>();  // [row, column, token] of each reading
  auto y = std::make_shared<std::vector<double>>(rows->size() * static_cast<size_t>(tokens));
  for (size_t reading = 0; reading < (question.gated ? kReadings : 2); ++reading) (*dots)[reading].resize(static_cast<size_t>(blocks * tokens));
  const PlaneReader output(*question.y, 0);
  parallel_for(static_cast<int64_t>(rows->size()), task, [&](int64_t index) {
    const int64_t row = (*rows)[static_cast<size_t>(index)].row;
    for (int64_t token = 0; token < tokens; ++token) (*y)[static_cast<size_t>(index * tokens + token)] = output.at(token, row).value;
    for (size_t reading = 0; reading < kReadings; ++reading) {
      if ((*dots)[reading].empty()) continue;
      for (int64_t column = 0; column < question.columns; ++column) {
        const auto values = block_values(*question.codes, question.plane, code_row(question, row, reading), column, reading % 2 == 1);
        for (int64_t token = 0; token < tokens; ++token) {
          const float* at = x.data() + token * elements + column * kBlockElements;
          float dot = 0;
          for (size_t i = 0; i < values.size(); ++i) dot += values[i] * at[i];
          (*dots)[reading][static_cast<size_t>((index * question.columns + column) * tokens + token)] = dot;
        }
      }
    }
  });
  return [question, rows, dots, y, tokens](const LayoutCandidate& candidate, const OrderPlaces& places) {
    const std::vector<float>& read = (*dots)[reading_of(candidate)];
    BestFit sums;
    std::vector<double> predicted(static_cast<size_t>(tokens));
    for (size_t index = 0; index < rows->size(); ++index) {
      std::fill(predicted.begin(), predicted.end(), 0.0);
      const int64_t stored = scale_row(question, (*rows)[index].row, candidate);
      for (int64_t column = 0; column < question.columns; ++column) {
        const double scale = scale_values()[question.scales->data[places.at(question.plane, stored, column)]];
        const float* at = read.data() + (index * static_cast<size_t>(question.columns) + static_cast<size_t>(column)) * static_cast<size_t>(tokens);
        for (size_t token = 0; token < predicted.size(); ++token) predicted[token] += scale * static_cast<double>(at[token]);
      }
      for (size_t token = 0; token < predicted.size(); ++token) {
        const double value = (*y)[index * static_cast<size_t>(tokens) + token];
        sums.cross += predicted[token] * value;
        sums.predicted += predicted[token] * predicted[token];
        sums.observed += value * value;
      }
    }
    return fit_of(sums.squared_error(), sums.observed, static_cast<double>(rows->size() * static_cast<size_t>(tokens)));
  };
}

}  // namespace moe
