// How a run of the b12x path is laid out: its arithmetic, its chunks of tokens, its workspace. No CUDA calls.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/b12x/arithmetic.h"

namespace moe::cuda::b12x {

/// Byte offsets into the workspace, each a multiple of 256; everything is for `chunk_tokens` tokens.
struct Plan {
  Arithmetic arithmetic;
  int chunk_tokens = 0;
  int slices = 1;            ///< contributions of a pair
  bool keeps_contributions = false;
  bool shared_x = false;     ///< one quantized row a token
  size_t offsets = 0, pairs = 0, tile_offsets = 0, sort_scratch = 0;
  size_t x_q = 0, x_sf = 0, act_q = 0, act_sf = 0, contributions = 0;
  size_t bytes = 0;
};

/// Long batches go through in chunks of tokens, so that intermediates stay near 512 MiB. A chunk reads the weights again;
/// without it the contributions that a fixed order needs would take T * k * I/128 * H * 2 bytes.
Plan make_plan(const DeviceLayer& layer, const RunShape& shape);

}  // namespace moe::cuda::b12x
