// What the correctness program runs: layers, batches and the shapes of runs.
#pragma once

#include <string>
#include <vector>

#include "cuda/launch.h"

namespace moe::cuda::checking {

enum class Routing {
  kUniform,  ///< distinct experts a token, all as likely
  kSkewed,   ///< nine tokens of ten choose among the first top_k + 1 experts; the upper half of the experts gets nothing
};

struct Case {
  std::string name;
  int tokens = 0, hidden = 0, intermediate = 0, experts = 0, top_k = 0;
  int activation = MOE_SILU;
  bool shared_scales = true;  ///< all experts have one FC1 input scale
  Routing routing = Routing::kUniform;
  int repeats = 3;            ///< deterministic runs that must agree bit for bit
  bool gated() const { return activation != MOE_RELU2; }
};

/// @param quick the few small cases for compute-sanitizer
std::vector<Case> list_cases(bool quick);

/// The runs of a case on a path: the kernel and tile that FlashInfer main of 2026-08-22 takes (core/dispatch decides), and
/// for b12x also the other tiles of 16 to 128 rows where `all_tiles`.
std::vector<RunShape> list_shapes(const Case& one, int path, bool all_tiles);

}  // namespace moe::cuda::checking
