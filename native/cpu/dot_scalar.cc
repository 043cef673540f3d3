#include "core/formats/e2m1.h"
#include "cpu/dot.h"

namespace moe::cpu {
namespace {

void decode(const uint8_t* packed, int64_t row_bytes, int64_t blocks, uint8_t* codes) {
  for (int64_t block = 0; block < blocks; ++block) {
    for (int output = 0; output < kPanel; ++output) {
      const uint8_t* bytes = packed + output * row_bytes + block * 8;
      for (int element = 0; element < 16; ++element) {
        const int8_t doubled = kE2m1Halves[fp4_at(bytes, element)];
        codes[block * 256 + element / 4 * 64 + output * 4 + element % 4] = static_cast<uint8_t>(doubled + kWeightBias);
      }
    }
  }
}

void dot(const Panel& panel, int64_t first, int64_t last, const ActivationRow* rows, int count, float (*out)[kPanel]) {
  for (int r = 0; r < count; ++r) {
    for (int output = 0; output < kPanel; ++output) {
      float acc = 0;
      for (int64_t block = first; block < last; ++block) {
        const uint8_t* weights = panel.codes + block * 256 + output * 4;
        const int8_t* activations = rows[r].codes + block * 16;
        int32_t sum = rows[r].bias[block];
        for (int element = 0; element < 16; ++element) sum += weights[element / 4 * 64 + element % 4] * activations[element];
        acc += static_cast<float>(sum) * (panel.scales[block * kPanel + output] * rows[r].scales[block]);
      }
      out[r][output] = acc;
    }
  }
}

}  // namespace

namespace detail {
const Kernels kScalarKernels{decode, dot};
}

const Kernels& kernels(Simd level) {
#ifdef MOESCOPE_X86_SIMD
  if (level == Simd::kAvx512Vnni) return detail::kAvx512Kernels;
  if (level == Simd::kAvx2) return detail::kAvx2Kernels;
#endif
  (void)level;
  return detail::kScalarKernels;
}

}  // namespace moe::cpu
