// The end of an FC1 unit: activation, quantization, FC2's input row and the taps.
#pragma once

#include "cuda/hopper/fragments.cuh"
#include "cuda/hopper/quantized_activation.cuh"

namespace moe::cuda::hopper {

/// One warp, one pair, one unit: lane = FC1 row of the unit. Gated: lanes 0..15 hold up, 16..31 gate of the same 16 rows of
/// I, one block; relu2: 32 rows of I, two blocks.
template <bool kGated>
__device__ __forceinline__ void finish_unit(const Fc1Output& work, float fc1, int unit, int pair, float global_scale) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int row = kGated ? unit * 16 + lane % 16 : unit * 32 + lane;  // of I
  const bool inside = row < work.intermediate;                        // relu2's last unit may be half a unit
  float act;
  if constexpr (kGated) {
    const float up = __shfl_sync(0xFFFFFFFFU, fc1, lane % 16);
    const float gate = __shfl_sync(0xFFFFFFFFU, fc1, lane % 16 + 16);
    act = bf16_round(gated_activation(work.activation, gate, up));
  } else {
    act = bf16_round(relu2(fc1));
  }
  float peak = fabsf(act);
#pragma unroll
  for (int step = 8; step > 0; step /= 2) peak = fmaxf(peak, __shfl_xor_sync(0xFFFFFFFFU, peak, step));
  const BlockScale scale = block_scale(work.quantizer, peak, global_scale);
  const uint32_t code = encode_with(scale, act);
  const __half value = scaled_code(code, scale.sf);
  const bool stores = inside && (!kGated || lane < 16);
  if (stores) *reinterpret_cast<__half*>(work.act_rows + static_cast<size_t>(pair) * work.act_chunks * kRowChunkBytes + row_offset(row)) = value;
  const int intermediate = work.intermediate;
  if (work.fc1_tap != nullptr && inside) {
    const int width = kGated ? 2 * intermediate : intermediate;
    work.fc1_tap[static_cast<size_t>(pair) * width + (kGated && lane >= 16 ? intermediate : 0) + row] = fc1;
  }
  if (work.act_tap != nullptr && stores) work.act_tap[static_cast<size_t>(pair) * intermediate + row] = act;
  if (work.act_q != nullptr) {
    const uint32_t high = __shfl_down_sync(0xFFFFFFFFU, code, 1);
    if (stores && lane % 2 == 0) work.act_q[(static_cast<size_t>(pair) * intermediate + row) / 2] = static_cast<uint8_t>(code | high << 4U);
  }
  if (work.act_sf != nullptr && stores && lane % 16 == 0) work.act_sf[(static_cast<size_t>(pair) * intermediate + row) / 16] = scale.sf;
}

}  // namespace moe::cuda::hopper
