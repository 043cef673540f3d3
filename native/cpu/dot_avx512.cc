// Compiled with AVX-512 F, BW, VL and VNNI; called only where cpuid has them.
#include <immintrin.h>

#include <cstring>

#include "cpu/dot.h"

namespace moe::cpu {
namespace {

/// rows[i] = dwords of row i -> dwords of column i.
inline void transpose(__m512i rows[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  // rows[4 * group + c]: column c of each 128-bit lane, of rows 4 * group .. + 3.
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int c = 0; c < 4; ++c) {
    t[c] = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0x88);       // lanes 0, 2 of groups 0, 1
    t[4 + c] = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0xDD);   // lanes 1, 3
    t[8 + c] = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0xDD);
  }
  for (int c = 0; c < 4; ++c) {
    rows[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
    rows[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xDD);
    rows[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xDD);
  }
}

void decode(const uint8_t* packed, int64_t row_bytes, int64_t blocks, Panel& panel) {
  // Doubled E2M1 values plus kWeightBias, by code.
  const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  const __m512i nibble = _mm512_set1_epi8(15);
  const __mmask16 dwords = static_cast<__mmask16>((1U << (2 * blocks)) - 1);
  __m512i columns[16];
  for (int row = 0; row < 16; ++row) columns[row] = _mm512_maskz_loadu_epi32(dwords, packed + row * row_bytes);
  transpose(columns);
  for (int column = 0; column < 16; ++column) {
    uint8_t* half = &panel.codes[column / 2][column % 2][0][0];
    const __m512i high = _mm512_srli_epi16(columns[column], 4);
    _mm512_store_si512(half, _mm512_shuffle_epi8(table, _mm512_and_si512(columns[column], nibble)));
    _mm512_store_si512(half + 128, _mm512_shuffle_epi8(table, _mm512_and_si512(high, nibble)));
  }
}

/// E4M3 bytes in the top byte of each dword, the rest zero, to a quarter of their value: the magnitude's exponent and fraction
/// are put at fp32's, and a multiplication gives the exponent its bias, which is exact for subnormals too.
inline __m512 quarter_of_e4m3(__m512i top) {
  const __m512i magnitude = _mm512_and_si512(_mm512_srli_epi32(top, 4), _mm512_set1_epi32(0x07F00000));
  const __m512i sign = _mm512_and_si512(top, _mm512_set1_epi32(static_cast<int>(0x80000000U)));
  const __m512 value = _mm512_mul_ps(_mm512_castsi512_ps(_mm512_or_si512(magnitude, sign)), _mm512_set1_ps(0x1p118F));
  const __mmask16 nan = _mm512_cmpeq_epi32_mask(magnitude, _mm512_set1_epi32(0x07F00000));
  return _mm512_mask_mov_ps(value, nan, _mm512_set1_ps(__builtin_nanf("")));
}

void decode_scales(const uint8_t* corner, int64_t blocks, Panel& panel) {
  // Of 16 units of 16 bytes, the first dword.
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
  for (int64_t block = 0; block < blocks; block += 4, corner += 512) {
    // The last 12 bytes lie behind the last row's dword and may lie behind the tile.
    const __m512i last = _mm512_maskz_loadu_epi32(0x1FFF, corner + 192);
    const __m512i low = _mm512_permutex2var_epi32(_mm512_loadu_si512(corner), firsts, _mm512_loadu_si512(corner + 64));
    const __m512i high = _mm512_permutex2var_epi32(_mm512_loadu_si512(corner + 128), firsts, last);
    const __m512i columns = _mm512_inserti64x4(low, _mm512_castsi512_si256(high), 1);
    const __m512i top = _mm512_set1_epi32(static_cast<int>(0xFF000000U));
    _mm512_store_ps(panel.scales[block], quarter_of_e4m3(_mm512_slli_epi32(columns, 24)));
    _mm512_store_ps(panel.scales[block + 1], quarter_of_e4m3(_mm512_and_si512(_mm512_slli_epi32(columns, 16), top)));
    _mm512_store_ps(panel.scales[block + 2], quarter_of_e4m3(_mm512_and_si512(_mm512_slli_epi32(columns, 8), top)));
    _mm512_store_ps(panel.scales[block + 3], quarter_of_e4m3(_mm512_and_si512(columns, top)));
  }
}

inline __m512i broadcast(const int8_t* codes) {
  int32_t value;
  std::memcpy(&value, codes, sizeof value);
  return _mm512_set1_epi32(value);
}

template <int Rows>
void dot_rows(const Panel& panel, int64_t begin, int64_t end, const ActivationBlock* const* rows, int64_t first, float (*out)[kPanel]) {
  __m512 acc[Rows];
  const ActivationBlock* a[Rows];
  for (int r = 0; r < Rows; ++r) {
    acc[r] = _mm512_loadu_ps(out[r]);
    a[r] = rows[r] + first;
  }
  for (int64_t block = begin; block < end; ++block) {
    const uint8_t* codes = &panel.codes[block][0][0][0];
    const __m512i w0 = _mm512_load_si512(codes);
    const __m512i w1 = _mm512_load_si512(codes + 64);
    const __m512i w2 = _mm512_load_si512(codes + 128);
    const __m512i w3 = _mm512_load_si512(codes + 192);
    const __m512 scale = _mm512_load_ps(panel.scales[block]);
    for (int r = 0; r < Rows; ++r) {
      const ActivationBlock& row = a[r][block];
      __m512i sum = _mm512_set1_epi32(row.bias);
      sum = _mm512_dpbusd_epi32(sum, w0, broadcast(row.codes));
      sum = _mm512_dpbusd_epi32(sum, w1, broadcast(row.codes + 4));
      sum = _mm512_dpbusd_epi32(sum, w2, broadcast(row.codes + 8));
      sum = _mm512_dpbusd_epi32(sum, w3, broadcast(row.codes + 12));
      const __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(row.scale));
      acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), product, acc[r]);
    }
  }
  for (int r = 0; r < Rows; ++r) _mm512_storeu_ps(out[r], acc[r]);
}

void dot(const Panel& panel, int64_t begin, int64_t end, const ActivationBlock* const* rows, int64_t first, int64_t count, float (*acc)[kPanel]) {
  constexpr int64_t kRows = 4;
  for (; count >= kRows; count -= kRows, rows += kRows, acc += kRows) dot_rows<kRows>(panel, begin, end, rows, first, acc);
  switch (count) {
    case 1: return dot_rows<1>(panel, begin, end, rows, first, acc);
    case 2: return dot_rows<2>(panel, begin, end, rows, first, acc);
    case 3: return dot_rows<3>(panel, begin, end, rows, first, acc);
    default: return;
  }
}

}  // namespace

const Kernels detail::kAvx512Kernels{decode, decode_scales, dot};

}  // namespace moe::cpu
