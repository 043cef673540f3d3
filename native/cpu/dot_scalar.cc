#include <algorithm>
#include <array>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "cpu/dot.h"

namespace moe::cpu {
namespace {

/// E4M3 values / 4: doubled weight codes times doubled activation codes are four times the product.
constexpr std::array<float, 256> make_quarters() {
  std::array<float, 256> table{};
  for (int byte = 0; byte < 256; ++byte) table[byte] = e4m3_decode(static_cast<uint8_t>(byte)) * 0.25F;
  return table;
}
constexpr std::array<float, 256> kQuarters = make_quarters();

void decode(const uint8_t* packed, int64_t row_bytes, int64_t blocks, Panel& panel) {
  for (int64_t block = 0; block < blocks; ++block) {
    for (int output = 0; output < kPanel; ++output) {
      const uint8_t* bytes = packed + output * row_bytes + block * 8;
      for (int position = 0; position < 16; ++position) {
        const int8_t doubled = kE2m1Halves[fp4_at(bytes, element_at(position))];
        panel.codes[block][position / 4][output][position % 4] = static_cast<uint8_t>(doubled + kWeightBias);
      }
    }
  }
}

void dot(const Panel& panel, int64_t begin, int64_t end, const ActivationBlock* const* rows, int64_t first, int64_t count, float (*acc)[kPanel]) {
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t block = begin; block < end; ++block) {
      const ActivationBlock& a = rows[r][first + block];
      for (int output = 0; output < kPanel; ++output) {
        int32_t sum = a.bias;
        for (int position = 0; position < 16; ++position) sum += panel.codes[block][position / 4][output][position % 4] * a.codes[position];
        acc[r][output] += static_cast<float>(sum) * (panel.scales[block][output] * a.scale);
      }
    }
  }
}

}  // namespace

namespace detail {

/// In the 128x4 layout 16 rows that start at a multiple of 16 lie 16 bytes apart, 4 columns of a row side by side, and the
/// next 4 columns 512 bytes on.
void decode_scales_scalar(const uint8_t* corner, int64_t blocks, Panel& panel) {
  for (int64_t block = 0; block < blocks; ++block) {
    const uint8_t* column = corner + block / 4 * 512 + block % 4;
    for (int output = 0; output < kPanel; ++output) panel.scales[block][output] = kQuarters[column[output * 16]];
  }
}

const Kernels kScalarKernels{decode, decode_scales_scalar, dot, nullptr};

}  // namespace detail

const Kernels& kernels(Simd level) {
#ifdef MOESCOPE_X86_SIMD
  if (level == Simd::kAvx512Vnni) return detail::kAvx512Kernels;
  if (level == Simd::kAvx2) return detail::kAvx2Kernels;
#endif
  (void)level;
  return detail::kScalarKernels;
}

}  // namespace moe::cpu
