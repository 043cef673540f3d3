// Eight elements of a row in a thread, two threads to a block of 16: 16-byte loads and stores that a warp makes side by side.
#pragma once

#include "cuda/cutlass/expert_gemm.h"
#include "cuda/cutlass/operands.h"
#include "cuda/kernels/quantize.cuh"

namespace moe::cuda::cutlass_path {

inline constexpr int kChunk = 8;

/// Eight elements times the block's multiplier, before rounding to E2M1, and the block's scale.
struct ScaledChunk {
  float x[kChunk];
  uint8_t sf;
};

__device__ __forceinline__ void unpack_chunk(uint4 bits, float (&x)[kChunk]) {
  const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = __uint_as_float(words[i] << 16U);
    x[2 * i + 1] = __uint_as_float(words[i] & 0xFFFF0000U);
  }
}

/// Lanes 2i and 2i + 1 hold the halves of a block. All lanes of the warp must come here.
__device__ __forceinline__ ScaledChunk scale_chunk(const float (&x)[kChunk], float global_scale) {
  float peak = fabsf(x[0]);
#pragma unroll
  for (int i = 1; i < kChunk; ++i) peak = fmaxf(peak, fabsf(x[i]));
  peak = fmaxf(peak, __shfl_xor_sync(0xFFFFFFFFU, peak, 1));
  const BlockScale scale = choose_block_scale<BlockQuantizer::kCutlassFast>(peak, global_scale);
  ScaledChunk out;
  out.sf = scale.sf;
#pragma unroll
  for (int i = 0; i < kChunk; ++i) out.x[i] = __fmul_rn(x[i], scale.multiplier);
  return out;
}

/// The eight codes, first in the lowest nibble.
__device__ __forceinline__ uint32_t chunk_codes(const ScaledChunk& chunk) {
  uint32_t codes = 0;
#pragma unroll
  for (int i = 0; i < kChunk; i += 2) codes |= e2m1x2_encode(chunk.x[i], chunk.x[i + 1]) << (4 * i);
  return codes;
}

/// Value of the E2M1 code that x rounds to: adding and taking away a number whose ulp is E2M1's step there (0.5 below 2, 1
/// below 4, 2 below 8) rounds to it, ties to even multiples, which are the even codes. That number is 1.5 * 2^22 times x's
/// power of two. NaN gives +6 as fminf drops it; a zero's sign is lost, which no sum of products shows.
__device__ __forceinline__ float e2m1_round(float x) {
  constexpr float kUnit = 6291456.0F;
  const float clamped = fmaxf(fminf(x, 6.0F), -6.0F);
  const float power = fmaxf(__uint_as_float(__float_as_uint(clamped) & 0x7F800000U), 1.0F);
  return __fmaf_rn(power, -kUnit, __fmaf_rn(power, kUnit, clamped));
}

/// code * SF of the eight elements as bf16.
__device__ __forceinline__ uint4 chunk_upcast(const ScaledChunk& chunk) {
  const float sf = e4m3_decode(chunk.sf);
  float value[kChunk];
#pragma unroll
  for (int i = 0; i < kChunk; ++i) value[i] = __fmul_rn(e2m1_round(chunk.x[i]), sf);
  return make_uint4(bf16x2_encode(value[0], value[1]), bf16x2_encode(value[2], value[3]), bf16x2_encode(value[4], value[5]),
                    bf16x2_encode(value[6], value[7]));
}

/// The tap's form: packed codes and linear scales.
__device__ __forceinline__ void store_tap(uint8_t* codes, uint8_t* scales, int64_t row, int width, int column, const ScaledChunk& chunk) {
  if (codes != nullptr) *reinterpret_cast<uint32_t*>(codes + (row * width + column) / 2) = chunk_codes(chunk);
  if (scales != nullptr && column % kBlock == 0) scales[(row * width + column) / kBlock] = chunk.sf;
}

/// SM90's operand rows.
struct UpcastSink {
  using Packed = uint4;
  uint16_t* rows;
  int64_t count;  ///< rows
  int width;
  __device__ static Packed pack(const ScaledChunk& chunk) { return chunk_upcast(chunk); }
  __device__ void store(int64_t row, int, int column, Packed packed) const {
    put(row, column, packed);
    // The columns that pad the last panel meet zero weights, and only finite ones keep those zero.
    if (column + kChunk != width) return;
    for (int pad = width; pad % kPanel != 0; pad += kChunk) put(row, pad, make_uint4(0, 0, 0, 0));
  }
  __device__ void put(int64_t row, int column, Packed packed) const { *reinterpret_cast<uint4*>(rows + panel_index(row, column, count)) = packed; }
};

/// SM120's operand rows.
struct Fp4Sink {
  struct Packed {
    uint32_t codes;
    uint8_t sf;
  };
  uint8_t *codes, *scales;
  const int32_t *offsets, *tile_offsets;
  int width;
  __device__ static Packed pack(const ScaledChunk& chunk) { return {chunk_codes(chunk), chunk.sf}; }
  __device__ void store(int64_t row, int expert, int column, Packed packed) const {
    auto* to = reinterpret_cast<uint32_t*>(codes + (row * padded_k(width) + column) / 2);
    *to = packed.codes;
    if (column + kChunk == width && padded_k(width) != width) to[1] = to[2] = 0;
    if (column % kBlock != 0) return;
    const int blocks = width / kBlock;
    const int k_tiles = (blocks + 3) / 4;
    const int block = column / kBlock;
    const int region_row = tile_offsets[expert] * 128 + static_cast<int>(row) - offsets[expert];
    scales[scale_offset_128x4(region_row, block, k_tiles)] = packed.sf;
    // Columns that pad K to 64 meet zero codes, and only a finite scale keeps those zero.
    for (int pad = blocks; block == blocks - 1 && pad < 4 * k_tiles; ++pad) scales[scale_offset_128x4(region_row, pad, k_tiles)] = 0;
  }
};

/// Calls body(sink) with the sink of `out`, which has `count` rows.
template <class Body>
void with_sink(const OperandRows& out, const DeviceExpertRows& rows, int64_t count, int width, const Body& body) {
  if (out.upcast != nullptr) {
    body(UpcastSink{out.upcast, count, width});
  } else {
    body(Fp4Sink{out.codes, out.scales, rows.offsets, rows.tile_offsets, width});
  }
}

}  // namespace moe::cuda::cutlass_path
