// What the Hopper kernels are launched with: one pass over the layer (at most routing.cuh's kMaxPairs routed pairs).
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "cuda/kernels/quantizer.h"

namespace moe::cuda::hopper {

/// A weight operand in fragment order (fragments.cuh): [E, units, chunks, 1152 bytes], zero beyond N and K.
struct PackedOperand {
  uint8_t* data = nullptr;
  int units = 0;   ///< ceil(N / 32); of a gated w13 ceil(I / 16), each 16 rows of up and the same 16 of gate
  int chunks = 0;  ///< ceil(K / 64)
  size_t bytes(int experts) const { return static_cast<size_t>(experts) * units * chunks * 1152; }
};

/// How a grouped kernel is launched. Zero in an override means "as chosen".
struct Tuning {
  bool wgmma = false;    ///< wgmma_items.cuh's kernels, for FC1 and FC2 alike, which take row_groups, stage_chunks, depth and blocks_per_sm only
  int row_groups = 0;    ///< n8 tiles of rows an MMA pass holds: tiles of up to 8 * row_groups rows
  int tile_rows = 0;     ///< rows of a tile when fewer than 8 * row_groups: ring slots are smaller then
  int units = 0;         ///< weight units a warp holds at once: 1 or 2
  int stage_chunks = 0;  ///< chunks of 64 k a ring slot holds
  int depth = 0;         ///< ring slots a warp has
  int blocks_per_sm = 0;
};

/// How the fused kernel (fused.h) is launched. Zero means "as chosen".
struct FusedTuning {
  int use = 0;           ///< 1: wherever it fits; -1: never
  int groups = 0;        ///< of four warps: 1..3
  int tile_rows = 0;     ///< 1..8
  int stage_chunks = 0;  ///< chunks of 64 k a warp asks for at once: 1..4
  int slots = 0;         ///< of all groups' rings, at most
  int in_flight = 0;     ///< stages of a group that memory is asked for at once
  int cluster = 0;       ///< blocks of a cluster: 1, 2, 4 or 8
};

/// Shapes and buffers of a pass. Rows of a pass are counted from its first pair or token.
struct Pass {
  int tokens = 0, top_k = 0, hidden = 0, intermediate = 0, experts = 0, sm_count = 0;
  bool gated = false;
  bool shared_x = false;     ///< x is quantized once a token, not once a pair
  bool overlapped = false;   ///< programmatic dependent launch between the kernels
  int activation = 0;        ///< moe_activation
  float swiglu_alpha = 0, swiglu_limit = 0;
  BlockQuantizer quantizer = BlockQuantizer::kB12xFast;
  bool inverts_scale = false;  ///< hand the quantizer 1 / scale: direct micro as a divider
  const float *fc1_quantizer = nullptr, *fc1_multiplier = nullptr, *fc2_quantizer = nullptr, *fc2_multiplier = nullptr;
  PackedOperand w13, w2;
  const uint16_t* x = nullptr;
  const int32_t* topk_ids = nullptr;
  const float* topk_weights = nullptr;
  uint8_t* x_rows = nullptr;    ///< fp16 code * SF, rows of w13.chunks * 128 bytes, fragments.cuh's order, or sorted_rows.cuh's
  uint8_t* act_rows = nullptr;  ///< the same of FC2's input, rows of w2.chunks * 128 bytes
  int32_t* pair_of_row = nullptr;  ///< of sorted_rows.cuh's rows
  float* fc2 = nullptr;         ///< [pairs, H] FC2 after its multiplier
  uint32_t* border = nullptr;   ///< fused_sync.cuh's word, the layer's own
  uint16_t* y = nullptr;
  int32_t* arrivals = nullptr;  ///< [T, w2.units] counters: FC2 adds the slots up itself; nullptr: finalize does
  // Taps, nullptr unless asked for.
  uint8_t *x_q = nullptr, *x_sf = nullptr, *act_q = nullptr, *act_sf = nullptr;
  float *fc1_tap = nullptr, *act_tap = nullptr, *fc2_tap = nullptr;

  int pairs() const { return tokens * top_k; }
};

void enqueue_quantize(const Pass& pass, cudaStream_t stream);
void enqueue_fc1(const Pass& pass, const Tuning& tuning, cudaStream_t stream);
void enqueue_fc2(const Pass& pass, const Tuning& tuning, cudaStream_t stream);
void enqueue_sorted_quantize(const Pass& pass, cudaStream_t stream);
void enqueue_wgmma_fc1(const Pass& pass, const Tuning& tuning, cudaStream_t stream);
void enqueue_wgmma_fc2(const Pass& pass, const Tuning& tuning, cudaStream_t stream);
void enqueue_finalize(const Pass& pass, cudaStream_t stream);

/// Copies an operand into fragment order. `scales` are E planes in 128x4 order.
/// @param gated the rows are [up, gate] of N / 2 each and are paired 16 by 16
void enqueue_pack(const uint8_t* packed, const uint8_t* scales, size_t scale_plane_bytes, int experts, int n, int k, bool gated, const PackedOperand& out, cudaStream_t stream);

/// Launches that the bench sweeps instead of the chosen ones; not for use while a layer runs.
struct TuningOverride {
  Tuning fc1, fc2;
  FusedTuning fused;
};
TuningOverride& tuning_override();

}  // namespace moe::cuda::hopper
