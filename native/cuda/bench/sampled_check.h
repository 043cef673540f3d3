// A quick check of a run from its own taps: sampled elements of each GEMM against fp64 over the tapped quantized operands.
#pragma once

#include "cuda/bench/made_device_layer.h"

namespace moe::cuda::bench {

struct Taps {
  const uint8_t *x_q, *x_sf, *act_q, *act_sf;
  const float *fc1, *act, *fc2;
  const uint16_t* y;
};

/// NRMSE of sampled elements: FC1 from x_q, the quantized activation from `act`, FC2 from act_q, y from fc2.
struct SampledErrors {
  double fc1 = 0, act_quantization = 0, fc2 = 0, y = 0;
};

/// All pointers are host memory; x rows are tokens (shared quantizer).
/// @param x_values the unquantized input, for the relative error of its quantization
SampledErrors check_samples(const MadeLayer& layer, const MadeBatch& batch, const Taps& taps, int samples, uint64_t seed);

}  // namespace moe::cuda::bench
