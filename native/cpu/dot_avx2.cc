// Compiled with AVX2 and FMA; called only where cpuid has them.
#include "cpu/decode_x86.h"
#include "cpu/dot.h"

namespace moe::cpu {
namespace {

/// Integer dot of 8 outputs: |24 * 12 * 2| = 576 a pair and 4 pairs keep 16 bits from overflowing.
inline __m256i block_dot(const uint8_t* codes, const int8_t* a, int32_t bias) {
  const auto quarter = [&](int i) {
    const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i * 64));
    return _mm256_maddubs_epi16(weights, _mm256_set1_epi32(load_dword(a + i * 4)));
  };
  const __m256i pairs = _mm256_add_epi16(_mm256_add_epi16(quarter(0), quarter(1)), _mm256_add_epi16(quarter(2), quarter(3)));
  return _mm256_add_epi32(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)), _mm256_set1_epi32(bias));
}

template <int Rows>
void dot_rows(const Panel& panel, int64_t begin, int64_t end, const ActivationBlock* const* rows, int64_t first, float (*out)[kPanel]) {
  __m256 low[Rows];
  __m256 high[Rows];
  for (int r = 0; r < Rows; ++r) {
    low[r] = _mm256_loadu_ps(out[r]);
    high[r] = _mm256_loadu_ps(out[r] + 8);
  }
  for (int64_t block = begin; block < end; ++block) {
    const uint8_t* codes = &panel.codes[block][0][0][0];
    const __m256 scale_low = _mm256_load_ps(panel.scales[block]);
    const __m256 scale_high = _mm256_load_ps(panel.scales[block] + 8);
    for (int r = 0; r < Rows; ++r) {
      const ActivationBlock& a = rows[r][first + block];
      const __m256 scale = _mm256_set1_ps(a.scale);
      const __m256 sum_low = _mm256_cvtepi32_ps(block_dot(codes, a.codes, a.bias));
      const __m256 sum_high = _mm256_cvtepi32_ps(block_dot(codes + 32, a.codes, a.bias));
      low[r] = _mm256_fmadd_ps(sum_low, _mm256_mul_ps(scale_low, scale), low[r]);
      high[r] = _mm256_fmadd_ps(sum_high, _mm256_mul_ps(scale_high, scale), high[r]);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    _mm256_storeu_ps(out[r], low[r]);
    _mm256_storeu_ps(out[r] + 8, high[r]);
  }
}

void dot(const Panel& panel, int64_t begin, int64_t end, const ActivationBlock* const* rows, int64_t first, int64_t count, float (*acc)[kPanel]) {
  constexpr int64_t kRows = 4;
  for (; count >= kRows; count -= kRows, rows += kRows, acc += kRows) dot_rows<kRows>(panel, begin, end, rows, first, acc);
  for (; count > 0; --count, ++rows, ++acc) dot_rows<1>(panel, begin, end, rows, first, acc);
}

}  // namespace

const Kernels detail::kAvx2Kernels{decode_x86, decode_scales_scalar, dot, nullptr};

}  // namespace moe::cpu
