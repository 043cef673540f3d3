#include "cpu/simd.h"

#include <cstdlib>
#include <fstream>

#include "core/error/error.h"
#include "core/parallel/parallel.h"
#include "cpu/dot.h"

namespace moe::cpu {

const char* simd_name(Simd level) {
  switch (level) {
    case Simd::kAvx512Vnni: return "avx512";
    case Simd::kAvx2: return "avx2";
    case Simd::kScalar: break;
  }
  return "scalar";
}

std::vector<Simd> compiled_levels() {
#ifdef MOESCOPE_X86_SIMD
  return {Simd::kAvx512Vnni, Simd::kAvx2, Simd::kScalar};
#else
  return {Simd::kScalar};
#endif
}

bool can_run(Simd level) {
#ifdef MOESCOPE_X86_SIMD
  if (level == Simd::kAvx512Vnni) {
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
           __builtin_cpu_supports("avx512vnni") != 0;
  }
  if (level == Simd::kAvx2) return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
#endif
  return level == Simd::kScalar;
}

Simd choose_simd() {
  const char* wanted = std::getenv("MOESCOPE_SIMD");
  for (const Simd level : compiled_levels()) {
    const bool named = wanted == nullptr || std::string(wanted) == simd_name(level);
    if (named && can_run(level)) return level;
  }
  throw Error(code::kUnsupported, "MOESCOPE_SIMD=" + std::string(wanted) + " cannot be used on this machine",
              {{"subject", std::string("MOESCOPE_SIMD")},
               {"expected", std::string("scalar, avx2 or avx512, as far as the CPU has it")},
               {"found", std::string(wanted)},
               {"remedy", std::string("unset MOESCOPE_SIMD to take the best level")}});
}

std::string cpu_description() {
  std::string model = "CPU";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.rfind("model name", 0) != 0 || colon == std::string::npos) continue;
    model = line.substr(colon + 2);
    break;
  }
  std::string level = "scalar";
  for (const Simd candidate : compiled_levels()) {
    if (!can_run(candidate)) continue;
    level = candidate == Simd::kAvx512Vnni ? "AVX-512 VNNI" : candidate == Simd::kAvx2 ? "AVX2" : "scalar";
    break;
  }
  const int threads = thread_count();
  return model + " (" + level + ", " + std::to_string(threads) + (threads == 1 ? " thread)" : " threads)");
}

}  // namespace moe::cpu
