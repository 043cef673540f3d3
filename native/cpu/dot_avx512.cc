// Compiled with AVX-512 F, BW, VL and VNNI; called only where cpuid has them.
#include "cpu/decode_x86.h"
#include "cpu/dot.h"

namespace moe::cpu {
namespace {

template <int Rows>
void dot_rows(const Panel& panel, int64_t first, int64_t last, const ActivationRow* rows, float (*out)[kPanel]) {
  __m512 acc[Rows];
  for (int r = 0; r < Rows; ++r) acc[r] = _mm512_setzero_ps();
  for (int64_t block = first; block < last; ++block) {
    const uint8_t* codes = panel.codes + block * 256;
    const __m512i w0 = _mm512_loadu_si512(codes);
    const __m512i w1 = _mm512_loadu_si512(codes + 64);
    const __m512i w2 = _mm512_loadu_si512(codes + 128);
    const __m512i w3 = _mm512_loadu_si512(codes + 192);
    const __m512 scale = _mm512_loadu_ps(panel.scales + block * kPanel);
    for (int r = 0; r < Rows; ++r) {
      const int8_t* a = rows[r].codes + block * 16;
      __m512i sum = _mm512_set1_epi32(rows[r].bias[block]);
      sum = _mm512_dpbusd_epi32(sum, w0, _mm512_set1_epi32(load_dword(a)));
      sum = _mm512_dpbusd_epi32(sum, w1, _mm512_set1_epi32(load_dword(a + 4)));
      sum = _mm512_dpbusd_epi32(sum, w2, _mm512_set1_epi32(load_dword(a + 8)));
      sum = _mm512_dpbusd_epi32(sum, w3, _mm512_set1_epi32(load_dword(a + 12)));
      const __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(rows[r].scales[block]));
      acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), product, acc[r]);
    }
  }
  for (int r = 0; r < Rows; ++r) _mm512_storeu_ps(out[r], acc[r]);
}

void dot(const Panel& panel, int64_t first, int64_t last, const ActivationRow* rows, int count, float (*out)[kPanel]) {
  switch (count) {
    case 1: return dot_rows<1>(panel, first, last, rows, out);
    case 2: return dot_rows<2>(panel, first, last, rows, out);
    case 3: return dot_rows<3>(panel, first, last, rows, out);
    default: return dot_rows<4>(panel, first, last, rows, out);
  }
}

}  // namespace

const Kernels detail::kAvx512Kernels{decode_x86, dot};

}  // namespace moe::cpu
