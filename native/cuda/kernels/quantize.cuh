// The block quantizers of core/quantize on the device, with the kernels' own instruction for reciprocals,
// rcp.approx.ftz.f32: this is the arithmetic that Quantizer::kCutlassFast and ::kB12xFast only model on a CPU.
#pragma once

#include "cuda/kernels/formats.cuh"
#include "cuda/kernels/quantizer.h"

namespace moe::cuda {

/// 16 E2M1 codes, element i in bits 4i..4i+3, and their E4M3 scale byte.
struct Fp4Block {
  uint2 codes;
  uint8_t sf;
};

__device__ __forceinline__ float rcp_approx(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Largest |x|; NaN operands are dropped (max.f32), all NaN gives NaN.
__device__ __forceinline__ float block_amax(const float (&x)[kBlock]) {
  float peak = fabsf(x[0]);
#pragma unroll
  for (int i = 1; i < kBlock; ++i) peak = fmaxf(peak, fabsf(x[i]));
  return peak;
}

__device__ __forceinline__ uint2 encode_scaled(const float (&x)[kBlock], float multiplier) {
  uint32_t word[2] = {0, 0};
#pragma unroll
  for (int i = 0; i < kBlock; i += 2) {
    word[i / 8] |= e2m1x2_encode(__fmul_rn(x[i], multiplier), __fmul_rn(x[i + 1], multiplier)) << (4 * (i % 8));
  }
  return make_uint2(word[0], word[1]);
}

/// What a quantizer decides from a block's amax: the scale byte and what elements are multiplied with; `empty` = all codes 0.
struct BlockScale {
  float multiplier;
  uint8_t sf;
  bool empty;
};

/// Sources and edge cases: core/quantize/quantize.h, same names. `global_scale` is LARGE for kCutlassFast, SMALL for the
/// b12x ones, a multiplier for kDirectMicro. Splitting it from encode_scaled lets lanes share a block.
template <BlockQuantizer Q>
__device__ __forceinline__ BlockScale choose_block_scale(float peak, float global_scale) {
  BlockScale out{0.0F, 0, false};
  if constexpr (Q == BlockQuantizer::kCutlassFast) {
    out.sf = e4m3_encode(__fmul_rn(global_scale, __fmul_rn(peak, rcp_approx(6.0F))));
    if (peak != 0.0F) out.multiplier = rcp_approx(__fmul_rn(e4m3_decode(out.sf), rcp_approx(global_scale)));
  } else if constexpr (Q == BlockQuantizer::kB12xFast) {
    if (global_scale == 0.0F) return {0.0F, 0, true};
    const float inverse = rcp_approx(global_scale);
    out.sf = e4m3_encode(fminf(__fmul_rn(inverse, __fmul_rn(peak, rcp_approx(6.0F))), kE4m3Max));
    const float quantized = e4m3_decode(out.sf);
    out.empty = quantized == 0.0F;
    if (!out.empty) out.multiplier = __fmul_rn(rcp_approx(quantized), inverse);
  } else if constexpr (Q == BlockQuantizer::kB12xExact) {
    out.sf = e4m3_encode(fminf(__fdiv_rn(peak, __fmul_rn(6.0F, global_scale)), kE4m3Max));
    const float quantized = e4m3_decode(out.sf);
    out.empty = quantized == 0.0F || global_scale == 0.0F;
    if (!out.empty) out.multiplier = __fdiv_rn(1.0F, __fmul_rn(quantized, global_scale));
  } else {
    if (!(peak == peak)) peak = 0.0F;  // `abs > peak` is never true of NaN
    const float scaled = static_cast<float>(__ddiv_rn(__dmul_rn(static_cast<double>(peak), static_cast<double>(global_scale)), 6.0));
    out.sf = e4m3_encode(scaled > kE4m3Max ? kE4m3Max : scaled);
    float effective = global_scale != 0.0F ? __fdiv_rn(e4m3_decode(out.sf), global_scale) : 0.0F;
    if (effective < 1e-30F) effective = 1e-30F;
    out.multiplier = __fdiv_rn(1.0F, effective);
  }
  return out;
}

/// Quantizes 16 consecutive elements.
template <BlockQuantizer Q>
__device__ __forceinline__ Fp4Block quantize_block(const float (&x)[kBlock], float global_scale) {
  const BlockScale scale = choose_block_scale<Q>(block_amax(x), global_scale);
  return {scale.empty ? make_uint2(0, 0) : encode_scaled(x, scale.multiplier), scale.sf};
}

/// The same with the quantizer known at run time (uniform over a launch).
__device__ __forceinline__ Fp4Block quantize_block(BlockQuantizer quantizer, const float (&x)[kBlock], float global_scale) {
  switch (quantizer) {
    case BlockQuantizer::kCutlassFast: return quantize_block<BlockQuantizer::kCutlassFast>(x, global_scale);
    case BlockQuantizer::kB12xFast: return quantize_block<BlockQuantizer::kB12xFast>(x, global_scale);
    case BlockQuantizer::kB12xExact: return quantize_block<BlockQuantizer::kB12xExact>(x, global_scale);
    default: return quantize_block<BlockQuantizer::kDirectMicro>(x, global_scale);
  }
}

/// Unpacks 16 bf16 values (two 16-byte words) to fp32.
__device__ __forceinline__ void unpack_bf16(uint4 low, uint4 high, float (&x)[kBlock]) {
  const uint32_t words[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    x[2 * i] = __uint_as_float(words[i] << 16U);
    x[2 * i + 1] = __uint_as_float(words[i] & 0xFFFF0000U);
  }
}

}  // namespace moe::cuda
