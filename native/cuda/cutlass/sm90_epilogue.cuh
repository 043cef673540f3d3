// What becomes of the sums of a tile: d[2][N / 2] of a thread (weight_image.h, image_row, says which rows they are), tokens
// 8 * j + lane % 4 * 2 + b in elements 4 * j + b and 4 * j + 2 + b.
#pragma once

#include <cuda_bf16.h>

#include "cuda/cutlass/quantized_chunk.cuh"
#include "cuda/cutlass/sm90_schedule.cuh"
#include "cuda/kernels/activation.cuh"

namespace moe::cuda::cutlass_path {

/// What a thread knows of its tile.
struct TilePart {
  int first_row, rows;  ///< sorted rows
  int block;            ///< of weights
};

/// Four results of a token: elements b and 2 + b of the first MMA's group of four, then of the second's.
template <int N>
__device__ __forceinline__ void scale_four(const float (&d)[2][N / 2], int j, int b, float multiplier, float (&out)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) out[i] = __fmul_rn(d[i / 2][4 * j + i % 2 * 2 + b], multiplier);
}

__device__ __forceinline__ float low_bf16(uint32_t word) { return __uint_as_float(word << 16U); }
__device__ __forceinline__ float high_bf16(uint32_t word) { return __uint_as_float(word & 0xFFFF0000U); }

struct StoreRows {
  struct Constants {};
  StoredRows to;

  __device__ static Constants constants(int) { return {}; }

  template <int N>
  __device__ __forceinline__ void operator()(const float (&d)[2][N / 2], const TilePart& tile, float multiplier, const Constants&, int warp, int lane) const {
    const int column = tile.block * kWeightBlock + warp * 32 + lane / 4 * 4;
    if (column >= to.n) return;
    uint16_t* out = to.out + static_cast<int64_t>(tile.first_row + lane % 4 * 2) * to.n + column;
#pragma unroll
    for (int j = 0; j < N / 8; ++j) {
#pragma unroll
      for (int b = 0; b < 2; ++b) {
        float x[4];
        scale_four<N>(d, j, b, multiplier, x);
        if (8 * j + lane % 4 * 2 + b < tile.rows) *reinterpret_cast<uint2*>(out + (8 * j + b) * to.n) = make_uint2(bf16x2_encode(x[0], x[1]), bf16x2_encode(x[2], x[3]));
      }
    }
  }
};

/// 1 / (1 + exp(-x)) by the approximate instructions, within 2^-20 of the value, where bf16 keeps 2^-9.
__device__ __forceinline__ float sigmoid_approx(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(__fmul_rn(x, -1.4426950408889634F)));  // -log2(e)
  return rcp_approx(__fadd_rn(1.0F, power));
}

/// kernels/activation.cuh's gated_activation over sigmoid_approx; products and sums are spelled out there too.
template <int Activation>
__device__ __forceinline__ float gate_up(const ActivatedRows& spec, float gate, float up) {
  float z = gate;
  if constexpr (Activation == MOE_SWIGLUOAI) {
    if (spec.swiglu_limit > 0.0F) {
      // Comparisons leave NaN alone, fminf would not.
      if (gate > spec.swiglu_limit) gate = spec.swiglu_limit;
      if (up > spec.swiglu_limit) up = spec.swiglu_limit;
      if (up < -spec.swiglu_limit) up = -spec.swiglu_limit;
    }
    z = __fmul_rn(spec.swiglu_alpha, gate);
    up = __fadd_rn(up, 1.0F);
  } else if constexpr (Activation == MOE_GELU_TANH) {
    const float cube = __fmul_rn(__fmul_rn(__fmul_rn(0.044715F, gate), gate), gate);
    z = __fmul_rn(1.5957691216057308F, __fadd_rn(gate, cube));  // 2 * sqrt(2 / pi)
  }
  return __fmul_rn(__fmul_rn(gate, sigmoid_approx(z)), up);
}

template <int Activation>
struct ActivateAndQuantize {
  struct Constants {
    float quantizer;
  };
  ActivatedRows to;

  static constexpr bool kGated = Activation != MOE_RELU2;
  static constexpr int kValues = kGated ? 2 : 4;   ///< neighbours in I that a thread has of a token
  static constexpr int kLanes = kBlock / kValues;  ///< lanes that share a block of scales, 4 apart

  __device__ __forceinline__ Constants constants(int expert) const { return {__ldg(to.quantizer + expert)}; }

  template <int N>
  __device__ __forceinline__ void operator()(const float (&d)[2][N / 2], const TilePart& tile, float multiplier, const Constants& constants, int warp,
                                             int lane) const {
    const int g = lane / 4;
    const int column = kGated ? tile.block * (kWeightBlock / 2) + warp * 16 + 2 * g : tile.block * kWeightBlock + warp * 32 + 4 * g;
    if (column >= panels(to.intermediate) * kPanel) return;  // all lanes of a warp alike: 32 columns never straddle a panel
    if (to.pairs != nullptr) {
      store<N, true>(d, tile, multiplier, constants.quantizer, column, lane);
    } else {
      store<N, false>(d, tile, multiplier, constants.quantizer, column, lane);
    }
  }

 private:
  /// Neighbouring activations of a token, bf16.
  struct Activated {
    uint32_t words[kValues / 2];
  };

  /// FC1's results of the thread -> bf16 -> activations, rounded to bf16.
  __device__ __forceinline__ Activated activate(const float (&sums)[4]) const {
    const uint32_t first = bf16x2_encode(sums[0], sums[1]);
    const uint32_t second = bf16x2_encode(sums[2], sums[3]);
    Activated out;
    if constexpr (kGated) {
      out.words[0] = bf16x2_encode(gate_up<Activation>(to, low_bf16(second), low_bf16(first)), gate_up<Activation>(to, high_bf16(second), high_bf16(first)));
    } else {
      out.words[0] = bf16x2_encode(relu2(low_bf16(first)), relu2(high_bf16(first)));
      out.words[1] = bf16x2_encode(relu2(low_bf16(second)), relu2(high_bf16(second)));
    }
    return out;
  }

  __device__ static __forceinline__ uint32_t larger_of_each(uint32_t x, uint32_t y) {
    const __nv_bfloat162 out = __hmax2(*reinterpret_cast<const __nv_bfloat162*>(&x), *reinterpret_cast<const __nv_bfloat162*>(&y));
    return *reinterpret_cast<const uint32_t*>(&out);
  }

  template <int N, bool Taps>
  __device__ __forceinline__ void store(const float (&d)[2][N / 2], const TilePart& tile, float multiplier, float quantizer, int column, int lane) const {
    uint16_t* out = to.out + panel_index(tile.first_row + lane % 4 * 2, column, to.routed_pairs);
#pragma unroll
    for (int j = 0; j < N / 8; ++j) {
      Activated act[2];
      uint32_t peaks[2];  // of the words' halves
#pragma unroll
      for (int b = 0; b < 2; ++b) {
        float sums[4];
        scale_four<N>(d, j, b, multiplier, sums);
        act[b] = activate(sums);
        peaks[b] = act[b].words[0] & 0x7FFF7FFFU;
        if constexpr (!kGated) peaks[b] = larger_of_each(peaks[b], act[b].words[1] & 0x7FFF7FFFU);
      }
      // Largest |act| of both tokens, one in each half: bf16 already.
      uint32_t peak = larger_of_each(__byte_perm(peaks[0], peaks[1], 0x5410), __byte_perm(peaks[0], peaks[1], 0x7632));
#pragma unroll
      for (int step = 4; step < 4 * kLanes; step *= 2) peak = larger_of_each(peak, __shfl_xor_sync(0xFFFFFFFFU, peak, step));
#pragma unroll
      for (int b = 0; b < 2; ++b) {
        const BlockScale scale = choose_block_scale<BlockQuantizer::kCutlassFast>(b == 0 ? low_bf16(peak) : high_bf16(peak), quantizer);
        const float sf = e4m3_decode(scale.sf);
        uint32_t words[kValues / 2];
#pragma unroll
        for (int i = 0; i < kValues / 2; ++i) {
          words[i] = bf16x2_encode(__fmul_rn(e2m1_round(__fmul_rn(low_bf16(act[b].words[i]), scale.multiplier)), sf),
                                   __fmul_rn(e2m1_round(__fmul_rn(high_bf16(act[b].words[i]), scale.multiplier)), sf));
        }
        const int row = 8 * j + lane % 4 * 2 + b;
        if (row < tile.rows) {
          if constexpr (kGated) {
            *reinterpret_cast<uint32_t*>(out + (8 * j + b) * kPanel) = words[0];
          } else {
            *reinterpret_cast<uint2*>(out + (8 * j + b) * kPanel) = make_uint2(words[0], words[1]);
          }
          if constexpr (Taps) {
            float sums[4];
            scale_four<N>(d, j, b, multiplier, sums);
            if (column < to.intermediate) store_taps(to.pairs[tile.first_row + row], column, act[b], scale, make_float4(sums[0], sums[1], sums[2], sums[3]));
          }
        }
      }
    }
  }

  /// Not inlined: taps are seldom asked for.
  __device__ __noinline__ void store_taps(int64_t pair, int column, Activated act, BlockScale scale, float4 fc1) const {
    const int64_t at = pair * to.intermediate + column;
    for (int i = 0; i < kValues / 2; ++i) {
      const float x = low_bf16(act.words[i]);
      const float y = high_bf16(act.words[i]);
      if (to.act != nullptr) *reinterpret_cast<float2*>(to.act + at + 2 * i) = make_float2(x, y);
      if (to.act_q != nullptr) to.act_q[at / 2 + i] = static_cast<uint8_t>(e2m1x2_encode(__fmul_rn(x, scale.multiplier), __fmul_rn(y, scale.multiplier)));
    }
    if (to.act_sf != nullptr && column % kBlock == 0) to.act_sf[at / kBlock] = scale.sf;
    if (to.fc1 == nullptr) return;
    float* row = to.fc1 + pair * (kGated ? 2 * to.intermediate : to.intermediate) + column;
    *reinterpret_cast<float2*>(row) = make_float2(bf16_round(fc1.x), bf16_round(fc1.y));
    *reinterpret_cast<float2*>(row + (kGated ? to.intermediate : 2)) = make_float2(bf16_round(fc1.z), bf16_round(fc1.w));
  }
};

}  // namespace moe::cuda::cutlass_path
