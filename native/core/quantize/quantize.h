// The NVFP4 block quantizers, one for each kernel family, with that family's arithmetic order and its own convention
// for the global scale. A block is 16 consecutive elements along K; the result is 16 E2M1 codes and one E4M3 scale (SF).
//
// `rcp.approx.ftz.f32` is emulated by the IEEE fp32 reciprocal with subnormal inputs and results flushed to zero: the
// instruction may differ by 1 ulp, which matters only for values within that distance of a rounding tie.
#pragma once

#include <array>
#include <cstdint>

namespace moe {

inline constexpr int64_t kBlock = 16;

/// Which arithmetic. `global scale` below is the float handed to quantize_block, in the form that the kernel itself
/// takes: LARGE = 1 / input_scale (2688 / amax), SMALL = input_scale.
enum class Quantizer : int32_t {
  /// LARGE. FlashInfer quantization_utils.cuh `cvt_warp_fp16_to_fp4`, default path: sf = G * (amax * rcp(6));
  /// multiplier = rcp(sfq * rcp(G)). An underflow block (amax > 0, SF byte 0) has multiplier +inf: its non-zero
  /// elements become +-6 and its zeros 0 * inf = NaN -> 0x7.
  kCutlassFast,
  /// LARGE. The same file with FLASHINFER_DISABLE_FP4_QUANT_FAST_MATH: sf = amax * (G * (1/6));
  /// multiplier = min(1 / (sfq * (1 / G)), FLT_MAX), IEEE divisions.
  kCutlassExact,
  /// SMALL, a divider. FlashInfer fp4_common.py `quantize_block_fp4`: sf = min(amax / (6 * gs), 448);
  /// multiplier = 1 / (sfq * gs); all codes 0 when sfq or gs is 0.
  kB12xExact,
  /// SMALL, a divider. fp4_common.py `quantize_block_fp4_fast`: sf = min(rcp(gs) * (amax * rcp(6)), 448);
  /// multiplier = rcp(sfq) * rcp(gs); all codes 0 when sfq is 0, SF 0 too when gs is 0.
  kB12xFast,
  /// LARGE and SMALL: the formulas of kCutlassFast and kB12xFast in fp64, so that no reciprocal errs. Which way a value on
  /// an exact tie falls in the fp32 forms hangs on the last bit of `rcp.approx`, which only the instruction itself knows;
  /// bf16 activations under a ModelOpt input scale (amax / 2688) sit on such ties by the dozen. In these forms
  /// an exact tie stays one (to even); they differ from the fp32 ones in nothing else. Block edge cases are the same.
  kCutlassWide,
  kB12xWide,
  /// A MULTIPLIER. moe_direct_micro_kernel.py: sf = f32(f64(amax) * f64(gs) / 6), at most 448;
  /// eff = sfq / gs (0 when gs is 0), at least 1e-30; multiplier = 1 / eff. Fed with the SMALL form as FlashInfer's
  /// dispatch does, it is off by gs^2 (domain: hazard H3).
  kDirectMicro,
};

/// 16 codes in element order (not packed) and the SF byte.
struct Fp4Block {
  std::array<uint8_t, 16> codes;
  uint8_t sf;
};

/// Quantizes x[0..16). NaN elements are left out of amax and become code 0x7 (+6); a block of NaN only gives SF 0x7F
/// (cutlass), 0x7E (b12x: min.f32 drops NaN) or 0x00 (direct micro: `abs > peak` is never true). An infinite element
/// gives SF 0x7E.
Fp4Block quantize_block(Quantizer quantizer, const float* x, float global_scale);

/// The mathematical answer in fp64, SMALL scale s: sf = E4M3(min(amax / 6 / s, 448)); code = E2M1(|x| / (sf * s)),
/// 0 where sf is 0, sign bit where x < 0. Source: the goldens' README. Any NaN in the block gives SF 0x7F and codes 7,
/// so that it shows in the output.
Fp4Block quantize_block_ideal(const double* x, double scale);

/// Quantizes one row of k values (k a multiple of 16): `packed` gets k/2 bytes, low nibble first, `sf` k/16 bytes.
void quantize_row(Quantizer quantizer, const float* x, int64_t k, float global_scale, uint8_t* packed, uint8_t* sf);
void quantize_row_ideal(const double* x, int64_t k, double scale, uint8_t* packed, uint8_t* sf);

/// Two codes a byte, element 2i in the low nibble.
void pack_codes(const std::array<uint8_t, 16>& codes, uint8_t* packed);

}  // namespace moe
