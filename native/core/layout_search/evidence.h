// How well a candidate explains what is known. Each kind is prepared once and then asked for every candidate.
#pragma once

#include <functional>

#include "core/layout_search/search.h"

namespace moe {

struct Fit {
  double log_likelihood = 0;
  double coupling = 0, row_share = 0;
  double nrmse = 0;
};
/// `scales` are the raw bytes; `places` the order tried.
using FitOf = std::function<Fit(const LayoutCandidate& candidate, const OrderPlaces& places)>;

/// From the scales and, where they are there, the codes. `blocks` becomes how many are looked at.
FitOf weights_evidence(const LayoutQuestion& question, int64_t& blocks, const Task& task);
/// From weights [planes, rows, K]: one factor a plane (the global scale is not known).
FitOf reference_weights_evidence(const LayoutQuestion& question, int64_t& blocks, const Task& task);
/// From x and y of one plane.
FitOf reference_output_evidence(const LayoutQuestion& question, int64_t& blocks, const Task& task);

}  // namespace moe
