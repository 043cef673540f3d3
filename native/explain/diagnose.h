// Which deviations from the documented pipeline explain what was observed.
#pragma once

#include <vector>

#include "core/parallel/parallel.h"
#include "explain/segment.h"

namespace moe::explain {

struct NamedDeviation {
  Deviation deviation;
  /// Deviations of other causes that would explain the segment as well, to within Segment::least_gain: not told apart.
  std::vector<Deviation> alternatives;
  Stage stage;       ///< end of the segment that shows it
  double gain;       ///< nats that the segment loses without it
  double explained;  ///< share of the segment's misfit (of its squared distance, with a quantizer inside) that it removes
};

struct SegmentReport {
  Stage stage;
  int64_t compared;
  double mismatch_before, mismatch_after;  ///< shares of blocks or elements
  double floor;                            ///< the share that the order of additions makes by itself
};

struct Diagnosis {
  std::vector<NamedDeviation> deviations;  ///< largest gain first
  std::vector<SegmentReport> segments;     ///< in order of the pipeline
};

/// Goes through the segments in order. In each, all deviations that act there are tried alone, then in pairs, then one more
/// (with a quantizer inside the segment: greedily), on top of what earlier segments named. A larger set is taken only while
/// the smaller one leaves more than order noise and the gain is at least Segment::least_gain. Of equal explanations the one that
/// puts one form of one cause at both GEMMs goes first, then a cause that is named elsewhere, then any before kRequantization.
/// @throws Error `wrong-shape` for an observed stage that does not fit the batch, `cancelled`
Diagnosis diagnose(const Model& model, const RunInput& input, const Spec& documented, const Observation& observation, uint64_t seed, const Task& task);

}  // namespace moe::explain
