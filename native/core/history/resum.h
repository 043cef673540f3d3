// How far the order of additions alone moves the answers: sums of a sample of elements taken again in other orders.
#pragma once

#include <cstdint>
#include <vector>

namespace moe {

struct ResumRequest {
  int64_t tokens = 4;    ///< sampled, spread over the batch
  int64_t columns = 32;  ///< sampled of each stage, spread over its width
  int64_t orders = 8;    ///< random permutations of the K blocks, and of the additions into y
  uint64_t seed = 0;
};

/// NRMSE against the provider's own order over the sampled elements: one value for each order in fp32, and the fp64 sum.
struct ResumStage {
  std::vector<double> orders;
  double fp64 = 0;
};

struct ResumNoise {
  ResumStage fc1, fc2, output;
  int64_t elements = 0;  ///< sampled of each stage
};

}  // namespace moe
