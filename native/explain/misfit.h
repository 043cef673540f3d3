// How badly a model fits what was observed, in nats: - log likelihood, so that a code that flipped, a rounding that differs
// and an order of additions can be weighed against each other.
//
// A block of a quantized tensor, or an element of another one, agrees with probability 1 - e and disagrees with probability e.
// A block that disagrees is one of at least kBlockNeighbours others, so a model that gives its 16 codes and its scale exactly says
// more than one that is right about an element: each of the others has e / kBlockNeighbours at most.
// e is at least kLeastError (no model is that sure) and at least what the order of additions makes by itself, measured with
// drawn orders. Where the output is a sum of bf16 additions in an unknown order, the probability of a value is the share of
// drawn orders that give it.
#pragma once

#include <cstdint>
#include <vector>

#include "explain/model.h"

namespace moe::explain {

struct Misfit {
  double nats = 0;
  int64_t compared = 0;    ///< blocks or elements
  int64_t mismatched = 0;  ///< of them, what the model does not give (in no drawn order)
  double share() const { return compared > 0 ? static_cast<double>(mismatched) / static_cast<double>(compared) : 0; }
};

/// Each of the 16 codes of a block one step up or down: the errors nearest to it, all of them likelier than any other.
inline constexpr double kBlockNeighbours = 32;

/// Observed rows may be pairs where the model has tokens (its rows repeated).
/// @throws Error `wrong-shape` when neither fits
Misfit misfit(const Quantized& observed, const Quantized& model, double error);

/// Elements agree within tolerance[row] (absolute). NaN agrees with NaN.
Misfit misfit(const std::vector<float>& observed, const std::vector<float>& model, const std::vector<float>& tolerance, double error);

/// `models`: the outputs of drawn orders, at least one.
Misfit misfit(const std::vector<uint16_t>& observed, const std::vector<std::vector<uint16_t>>& models, double error);

/// Gaussian misfit for segments that contain a quantizer, where one early flip moves everything after it:
/// n / 2 * log((|observed - model|^2 + floor) / n), floor the same distance between two orders of additions.
Misfit distance_misfit(const std::vector<float>& observed, const std::vector<float>& model, double floor);

double squared_distance(const std::vector<float>& a, const std::vector<float>& b);
std::vector<float> decode(const std::vector<uint16_t>& bf16);

}  // namespace moe::explain
