// A piece of the pipeline between two observed stages: it is run from what was observed at its start, and what it gives is
// compared with what was observed at its end. Causes in one piece cannot hide those in another.
#pragma once

#include <optional>
#include <vector>

#include "explain/misfit.h"
#include "explain/model.h"

namespace moe::explain {

enum class Stage : int { kX, kFc1, kAct, kActQ, kFc2, kY };

/// What is known of a run. y and at best every tap.
struct Observation {
  std::optional<Quantized> x;
  std::optional<std::vector<float>> fc1, act;
  std::optional<Quantized> act_q;
  std::optional<std::vector<float>> fc2;
  std::optional<std::vector<uint16_t>> y;

  bool has(Stage stage) const;
};

class Segment {
 public:
  /// @param start the observed stage to run from, or none for the batch's input. FC2's tap is no start: y is made of its
  ///   unrounded sums. `observation`, `model` and `input` must outlive the segment.
  Segment(const Model& model, const RunInput& input, const Observation& observation, std::optional<Stage> start, Stage end, uint64_t seed);

  Stage end() const { return end_; }
  /// No quantizer lies between start and end unless it is the end itself: element by element, order noise apart, the model is exact.
  bool exact() const { return exact_; }
  /// Measures the noise of this segment with `spec`; call before fit.
  void calibrate(const Spec& spec);
  Misfit fit(const Spec& spec) const;
  /// The misfit of an output of `spec` itself whose additions were done in another order.
  const Misfit& floor() const { return floor_; }
  /// Least gain, in nats, for which a deviation is named.
  double least_gain() const;

 private:
  struct Output {
    Quantized quantized;
    std::vector<float> values;
    std::vector<std::vector<uint16_t>> y;
  };
  Output run(const Spec& spec, uint64_t seed, int orders) const;
  Misfit compare(const Output& observed, const Output& model) const;
  void measure_tolerance(const Spec& spec);

  const Model& model_;
  const RunInput& input_;
  const Observation& observation_;
  const std::optional<Stage> start_;
  const Stage end_;
  const uint64_t seed_;
  const bool exact_;
  Output observed_;
  std::vector<float> tolerance_;  ///< by row, absolute
  double error_ = 0;
  double distance_floor_ = 0;
  Misfit floor_;
};

/// The segments that an observation allows, in order of the pipeline.
/// @throws Error `wrong-shape` for an observed stage that does not fit the batch
std::vector<Segment> segments_of(const Model& model, const RunInput& input, const Observation& observation, uint64_t seed);

}  // namespace moe::explain
