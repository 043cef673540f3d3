// Decoding of 16 weight rows with byte shuffles; included by the files that are compiled with AVX2. Everything is
// `static`: an inline function of external linkage would be merged across files of different instruction sets.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/dot.h"

namespace moe::cpu {

/// Turns 4 rows x 4 dwords into 4 dwords x 4 rows and stores each where its quarter of the block lies.
static inline void store_transposed(__m128i r0, __m128i r1, __m128i r2, __m128i r3, uint8_t* codes) {
  const __m128i lo01 = _mm_unpacklo_epi32(r0, r1);
  const __m128i lo23 = _mm_unpacklo_epi32(r2, r3);
  const __m128i hi01 = _mm_unpackhi_epi32(r0, r1);
  const __m128i hi23 = _mm_unpackhi_epi32(r2, r3);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm_unpacklo_epi64(lo01, lo23));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 64), _mm_unpackhi_epi64(lo01, lo23));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 128), _mm_unpacklo_epi64(hi01, hi23));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 192), _mm_unpackhi_epi64(hi01, hi23));
}

/// Same result as the scalar decode.
static inline void decode_x86(const uint8_t* packed, int64_t row_bytes, int64_t blocks, Panel& panel) {
  uint8_t* codes = &panel.codes[0][0][0][0];
  // Doubled E2M1 values plus kWeightBias, by code.
  const __m128i table = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
  const __m128i nibble = _mm_set1_epi8(15);
  for (int output = 0; output < kPanel; output += 4) {
    const uint8_t* row = packed + output * row_bytes;
    uint8_t* target = codes + output * 4;
    int64_t block = 0;
    for (; block + 2 <= blocks; block += 2) {
      __m128i even[4];
      __m128i odd[4];
      for (int r = 0; r < 4; ++r) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + r * row_bytes + block * 8));
        const __m128i low = _mm_shuffle_epi8(table, _mm_and_si128(bytes, nibble));
        const __m128i high = _mm_shuffle_epi8(table, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
        even[r] = _mm_unpacklo_epi64(low, high);
        odd[r] = _mm_unpackhi_epi64(low, high);
      }
      store_transposed(even[0], even[1], even[2], even[3], target + block * 256);
      store_transposed(odd[0], odd[1], odd[2], odd[3], target + (block + 1) * 256);
    }
    if (block < blocks) {
      __m128i last[4];
      for (int r = 0; r < 4; ++r) {
        const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + r * row_bytes + block * 8));
        const __m128i low = _mm_shuffle_epi8(table, _mm_and_si128(bytes, nibble));
        const __m128i high = _mm_shuffle_epi8(table, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
        last[r] = _mm_unpacklo_epi64(low, high);
      }
      store_transposed(last[0], last[1], last[2], last[3], target + block * 256);
    }
  }
}

/// Four consecutive activation codes as one dword.
static inline int32_t load_dword(const int8_t* codes) {
  int32_t value;
  std::memcpy(&value, codes, sizeof value);
  return value;
}

}  // namespace moe::cpu
