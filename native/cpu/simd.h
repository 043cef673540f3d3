// Which vector instructions the cpu provider uses: chosen at run time, never at build time.
#pragma once

#include <string>
#include <vector>

namespace moe::cpu {

enum class Simd { kScalar = 0, kAvx2 = 1, kAvx512Vnni = 2 };

/// "scalar", "avx2", "avx512".
const char* simd_name(Simd level);
/// Levels compiled in, best first.
std::vector<Simd> compiled_levels();
/// True when this CPU (and its operating system) can run the level.
bool can_run(Simd level);
/// MOESCOPE_SIMD (scalar, avx2 or avx512) when set, else the best level that can run here.
/// @throws Error `unsupported` when MOESCOPE_SIMD names a level that is unknown or cannot run here.
Simd choose_simd();
/// "AMD EPYC 9B14 (AVX-512 VNNI, 2 threads)".
std::string cpu_description();

}  // namespace moe::cpu
