// How much of ||y_A - y_B||^2 each cause carries: one cause at a time is undone in A and A is computed again.
#pragma once

#include <array>
#include <optional>

#include "core/parallel/parallel.h"
#include "core/tensor/tensor.h"
#include "explain/model.h"

namespace moe::explain {

struct CauseShare {
  Cause cause;
  double share;                    ///< (E - E with the cause undone alone) / E
  std::array<double, 2> interval;  ///< 95 %, tokens resampled with replacement
  double nrmse_alone;              ///< against B, when of all causes this one alone is left in
};

/// shares + interaction + rest = 1 by construction.
struct Attribution {
  std::vector<CauseShare> causes;
  double interaction = 0;
  double rest = 0;    ///< E with every cause undone / E
  double energy = 0;  ///< E
  double nrmse = 0;   ///< sqrt(E) / ||y_B||
};

struct AttributionRequest {
  Spec a, b;
  /// Outputs as observed, [T, H]; absent: the model's. Of an observed A the model's change is subtracted when a cause is
  /// undone, so that what the model does not reproduce stays in the rest.
  std::optional<Tensor> observed_a, observed_b;
  uint64_t seed = 1;  ///< of the bootstrap
  int resamples = 1000;
};

/// Memory is bounded: tokens go through in chunks. Shares are 0 where A and B are equal.
/// @throws Error `wrong-shape` for an observed output that is not [T, H], `cancelled`
Attribution attribute(const Model& model, const RunInput& input, const AttributionRequest& request, const Task& task);

}  // namespace moe::explain
