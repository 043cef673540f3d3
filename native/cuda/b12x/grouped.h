// The two grouped kernels of b12x's micro, static and dynamic paths: FC1 with activation and quantization, and FC2.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/b12x/tiles.h"
#include "cuda/kernels/expert_rows.h"
#include "cuda/kernels/quantizer.h"
#include "cuda/launch.h"

namespace moe::cuda::b12x {

/// What both kernels need to find their rows.
struct RowTiles {
  DeviceExpertRows rows;
  int experts = 0;
  int tile_m = 0;      ///< rows of a tile: 16, 32, 64 or 128
  int max_tiles = 0;   ///< grid
  int pairs = 0;       ///< of the launch: an upper bound of the rows of one expert
};

/// FC1 of 128 columns of I: fp32 sums of up (and gate), times the multiplier, activation in fp32, bf16, quantized.
struct Fc1Work {
  RowTiles tiles;
  DeviceOperand w13;
  const uint8_t* x_q = nullptr;   ///< [rows, H/2]
  const uint8_t* x_sf = nullptr;  ///< [rows, H/16]
  int pairs_per_x_row = 1;        ///< k when a token's row is shared by its slots
  int intermediate = 0;
  const float* multiplier = nullptr;  ///< [E]
  const float* quantizer_scale = nullptr;  ///< [E], FC2's input
  BlockQuantizer quantizer = BlockQuantizer::kB12xFast;
  int activation = 0;  ///< moe_activation
  float swiglu_alpha = 0, swiglu_limit = 0;
  uint8_t* act_q = nullptr;   ///< [P, I/2], pair order
  uint8_t* act_sf = nullptr;  ///< [P, I/16]
  float* fc1 = nullptr;       ///< tap [P, N1] or nullptr
  float* act = nullptr;       ///< tap [P, I] or nullptr
};

/// FC2 of 128 columns of H.
struct Fc2Work {
  RowTiles tiles;
  DeviceOperand w2;
  const uint8_t* act_q = nullptr;
  const uint8_t* act_sf = nullptr;
  const float* multiplier = nullptr;    ///< [E]
  const float* topk_weights = nullptr;  ///< [P]
  int top_k = 0;
  /// true: each slice of 128 of I gives bf16(bf16(acc * alpha) * weight) (Reduction::kSlices); false: slices are summed in
  /// fp32 and give bf16(bf16(acc) * bf16(alpha * weight)) (Reduction::kGatedDynamic).
  bool by_slice = true;
  int slices = 1;                     ///< contributions of a pair: ceil(I / 128), or 1
  uint16_t* contributions = nullptr;  ///< [P, slices, H] bf16; nullptr: added to y in the order blocks finish
  uint16_t* y = nullptr;              ///< bf16 [T, H], zeroed
  float* fc2 = nullptr;               ///< tap [P, H] or nullptr
};

/// @throws Error `internal` when a launch is refused
struct GroupedKernels {
  void (*fc1)(const Fc1Work& work, cudaStream_t stream);
  void (*fc2)(const Fc2Work& work, cudaStream_t stream);
};

const GroupedKernels& native_kernels();    ///< NativeMma; only for SM120 / SM121
const GroupedKernels& emulated_kernels();  ///< EmulatedMma; any device

}  // namespace moe::cuda::b12x
