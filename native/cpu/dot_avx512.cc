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

/// Doubled E2M1 values plus kWeightBias, by code.
inline __m512i code_table() { return _mm512_broadcast_i32x4(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0)); }

void decode(const uint8_t* packed, int64_t row_bytes, int64_t blocks, Panel& panel) {
  const __m512i table = code_table();
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

/// Quarters of the scales of 16 rows, for four blocks.
inline void decode_four_scales(const uint8_t* corner, __m512 (&out)[4]) {
  // Of 16 units of 16 bytes, the first dword.
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
  // The last 12 bytes lie behind the last row's dword and may lie behind the tile.
  const __m512i last = _mm512_maskz_loadu_epi32(0x1FFF, corner + 192);
  const __m512i low = _mm512_permutex2var_epi32(_mm512_loadu_si512(corner), firsts, _mm512_loadu_si512(corner + 64));
  const __m512i high = _mm512_permutex2var_epi32(_mm512_loadu_si512(corner + 128), firsts, last);
  const __m512i columns = _mm512_inserti64x4(low, _mm512_castsi512_si256(high), 1);
  const __m512i top = _mm512_set1_epi32(static_cast<int>(0xFF000000U));
  out[0] = quarter_of_e4m3(_mm512_slli_epi32(columns, 24));
  out[1] = quarter_of_e4m3(_mm512_and_si512(_mm512_slli_epi32(columns, 16), top));
  out[2] = quarter_of_e4m3(_mm512_and_si512(_mm512_slli_epi32(columns, 8), top));
  out[3] = quarter_of_e4m3(_mm512_and_si512(columns, top));
}

void decode_scales(const uint8_t* corner, int64_t blocks, Panel& panel) {
  for (int64_t block = 0; block < blocks; block += 4, corner += 512) {
    __m512 scales[4];
    decode_four_scales(corner, scales);
    for (int i = 0; i < 4; ++i) _mm512_store_ps(panel.scales[block + i], scales[i]);
  }
}

inline __m512i broadcast(const int8_t* codes) {
  int32_t value;
  std::memcpy(&value, codes, sizeof value);
  return _mm512_set1_epi32(value);
}

/// acc + term of one block; w0..w3: its quarters of 16 outputs.
inline __m512 add_block(__m512 acc, __m512i w0, __m512i w1, __m512i w2, __m512i w3, __m512 scale, const ActivationBlock& row) {
  __m512i sum = _mm512_set1_epi32(row.bias);
  sum = _mm512_dpbusd_epi32(sum, w0, broadcast(row.codes));
  sum = _mm512_dpbusd_epi32(sum, w1, broadcast(row.codes + 4));
  sum = _mm512_dpbusd_epi32(sum, w2, broadcast(row.codes + 8));
  sum = _mm512_dpbusd_epi32(sum, w3, broadcast(row.codes + 12));
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scale, _mm512_set1_ps(row.scale)), acc);
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
    for (int r = 0; r < Rows; ++r) acc[r] = add_block(acc[r], w0, w1, w2, w3, scale, a[r][block]);
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

/// Two blocks of 16 weight rows: columns[c] has dword c of the 16 bytes of every row. quarters[i]: row 4 * i. Loads put the
/// rows r, r + 4, r + 8 and r + 12 side by side, so that transposing within 128-bit lanes is enough.
inline void load_columns(const uint8_t* const (&quarters)[4], int64_t row_bytes, int64_t at, __m512i (&columns)[4]) {
  __m512i rows[4];
  for (int r = 0; r < 4; ++r) {
    const auto piece = [&](int quarter) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(quarters[quarter] + at + r * row_bytes)); };
    rows[r] = _mm512_castsi128_si512(piece(0));
    rows[r] = _mm512_mask_broadcast_i32x4(rows[r], 0x00F0, piece(1));
    rows[r] = _mm512_mask_broadcast_i32x4(rows[r], 0x0F00, piece(2));
    rows[r] = _mm512_mask_broadcast_i32x4(rows[r], 0xF000, piece(3));
  }
  const __m512i low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
  const __m512i high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
  const __m512i high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
  columns[0] = _mm512_unpacklo_epi64(low01, low23);
  columns[1] = _mm512_unpackhi_epi64(low01, low23);
  columns[2] = _mm512_unpacklo_epi64(high01, high23);
  columns[3] = _mm512_unpackhi_epi64(high01, high23);
}

template <int Rows>
void few_rows_of(const PanelSource& source, const ActivationBlock* const* rows, float (*out)[kPanel]) {
  constexpr int64_t kStepBytes = kFewBlocks * 8;  // of a row's codes
  const __m512i table = code_table();
  const __m512i nibble = _mm512_set1_epi8(15);
  const uint8_t* const quarters[4] = {source.packed, source.packed + 4 * source.row_bytes, source.packed + 8 * source.row_bytes, source.packed + 12 * source.row_bytes};
  const ActivationBlock* a[Rows];
  for (int r = 0; r < Rows; ++r) a[r] = rows[r];
  const int64_t steps = source.blocks / kFewBlocks;
  const int64_t slice_steps = source.slice_blocks / kFewBlocks;
  const uint8_t* next_packed = source.next_packed;
  const uint8_t* next_corner = source.next_corner;
  const uint8_t* corner = source.corner;
  for (int64_t step = 0; step < steps; out += Rows) {
    __m512 acc[Rows];
    for (int r = 0; r < Rows; ++r) acc[r] = _mm512_setzero_ps();
    for (const int64_t end = step + slice_steps; step < end; ++step) {
      if (next_packed != nullptr) {
        fetch(next_packed, kStepBytes * kPanel);
        next_packed += kStepBytes * kPanel;
      }
      if (next_corner != nullptr) {
        fetch(next_corner, kCornerBytes);
        next_corner += 512;
      }
      __m512 scales[4];
      decode_four_scales(corner, scales);
      corner += 512;
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        __m512i columns[4];
        load_columns(quarters, source.row_bytes, step * kStepBytes + half * 16, columns);
#pragma GCC unroll 2
        for (int b = 0; b < 2; ++b) {
          const __m512i low = columns[2 * b];
          const __m512i high = columns[2 * b + 1];
          const __m512i w0 = _mm512_shuffle_epi8(table, _mm512_and_si512(low, nibble));
          const __m512i w1 = _mm512_shuffle_epi8(table, _mm512_and_si512(high, nibble));
          const __m512i w2 = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(low, 4), nibble));
          const __m512i w3 = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(high, 4), nibble));
          for (int r = 0; r < Rows; ++r) acc[r] = add_block(acc[r], w0, w1, w2, w3, scales[half * 2 + b], a[r][step * kFewBlocks + half * 2 + b]);
        }
      }
    }
    for (int r = 0; r < Rows; ++r) _mm512_storeu_ps(out[r], acc[r]);
  }
}

void few_rows(const PanelSource& source, const ActivationBlock* const* rows, int64_t count, float (*sums)[kPanel]) {
  switch (count) {
    case 1: return few_rows_of<1>(source, rows, sums);
    case 2: return few_rows_of<2>(source, rows, sums);
    case 3: return few_rows_of<3>(source, rows, sums);
    case 4: return few_rows_of<4>(source, rows, sums);
    case 5: return few_rows_of<5>(source, rows, sums);
    case 6: return few_rows_of<6>(source, rows, sums);
    case 7: return few_rows_of<7>(source, rows, sums);
    case 8: return few_rows_of<8>(source, rows, sums);
    default: return;
  }
}

}  // namespace

const Kernels detail::kAvx512Kernels{decode, decode_scales, dot, few_rows};

}  // namespace moe::cpu
