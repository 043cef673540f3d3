// The NVFP4 MMA by itself.
#pragma once

#include "cuda/check/findings.h"

namespace moe::cuda::checking {

/// Random and exhaustive products m16n8k64 against integers:
///  - one block with scales, the others zero: the result is the exact dot, bit for bit; every pair of codes in every
///    position of a block, and every pair of scale bytes below NaN;
///  - all four blocks: software equal, bit for bit, to the documented order of additions; the instruction (devices of compute
///    capability 12.x) within the rounding of four additions.
/// @param native also runs the instruction
void check_mma(bool native, bool quick, Findings& findings);

/// E4M3, E2M1, bf16 and the quantizers on the device against core/formats and core/quantize.
void check_formats(bool quick, Findings& findings);

}  // namespace moe::cuda::checking
