// Where the block scale of (row, column) lies. A scale tensor has R rows (N of the GEMM) and C = K/16 columns a plane.
// Source: FlashInfer quantization_utils.cuh get_sf_out_offset_128x4 / _8x4; cute_dsl/utils.py convert_sf_to_mma_layout.
#pragma once

#include <array>
#include <cstdint>

namespace moe {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

/// What checkpoints store: r * C + c.
constexpr int64_t linear_offset(int64_t row, int64_t column, int64_t columns) { return row * columns + column; }

/// 128x4 tiles of 512 contiguous bytes; `k_tiles` = ceil(C / 4). (33,5) with k_tiles 2 is 533.
constexpr int64_t offset_128x4(int64_t row, int64_t column, int64_t k_tiles) {
  return (row / 128) * k_tiles * 512 + (column / 4) * 512 + (row % 32) * 16 + ((row % 128) / 32) * 4 + column % 4;
}

/// 8x4 tiles of 32 bytes (small-M variant).
constexpr int64_t offset_8x4(int64_t row, int64_t column, int64_t k_tiles) {
  return (row / 8) * k_tiles * 32 + (column / 4) * 32 + (row % 8) * 4 + column % 4;
}

/// Sizes of one plane in the 128x4 layout: rows padded to 128, columns to 4.
struct Swizzled128x4 {
  int64_t rows, columns;          // logical
  int64_t m_tiles, k_tiles;
  constexpr Swizzled128x4(int64_t r, int64_t c) : rows(r), columns(c), m_tiles(ceil_div(r, 128)), k_tiles(ceil_div(c, 4)) {}
  constexpr int64_t padded_rows() const { return m_tiles * 128; }
  constexpr int64_t padded_columns() const { return k_tiles * 4; }
  /// Bytes of a plane; plane e starts at e * bytes().
  constexpr int64_t bytes() const { return m_tiles * k_tiles * 512; }
  constexpr int64_t offset(int64_t row, int64_t column) const { return offset_128x4(row, column, k_tiles); }
};

/// Rows padded to 8, columns to 4.
struct Swizzled8x4 {
  int64_t rows, columns;
  int64_t m_tiles, k_tiles;
  constexpr Swizzled8x4(int64_t r, int64_t c) : rows(r), columns(c), m_tiles(ceil_div(r, 8)), k_tiles(ceil_div(c, 4)) {}
  constexpr int64_t bytes() const { return m_tiles * k_tiles * 32; }
  constexpr int64_t offset(int64_t row, int64_t column) const { return offset_8x4(row, column, k_tiles); }
};

/// The 6D MMA view of 128x4 storage (E, m_tiles, k_tiles, 32, 4, 4): a permutation (3,4,1,5,2,0) of its dimensions, so
/// shape (32, 4, m_tiles, 4, k_tiles, E), strides in bytes, over the same bytes.
struct Mma6d {
  std::array<int64_t, 6> shape;
  std::array<int64_t, 6> strides;
};
constexpr Mma6d mma6d_view(const Swizzled128x4& layout, int64_t planes) {
  return {{32, 4, layout.m_tiles, 4, layout.k_tiles, planes},
          {16, 4, layout.k_tiles * 512, 1, 512, layout.bytes()}};
}
/// (row % 32, (row % 128) / 32, row / 128, column % 4, column / 4, plane).
constexpr std::array<int64_t, 6> mma6d_index(int64_t plane, int64_t row, int64_t column) {
  return {row % 32, (row % 128) / 32, row / 128, column % 4, column / 4, plane};
}
constexpr int64_t mma6d_offset(const Mma6d& view, const std::array<int64_t, 6>& index) {
  int64_t offset = 0;
  for (int i = 0; i < 6; ++i) offset += view.strides[i] * index[i];
  return offset;
}

/// Linear [planes, rows, columns] bytes -> 128x4 with zero padding; `out` has planes * Swizzled128x4::bytes() bytes.
void swizzle_128x4(const uint8_t* linear, int64_t planes, int64_t rows, int64_t columns, uint8_t* out);
/// The inverse: drops the padding.
void unswizzle_128x4(const uint8_t* swizzled, int64_t planes, int64_t rows, int64_t columns, uint8_t* out);

}  // namespace moe
