// Scale layouts: check values, every offset of padded shapes against the 6D view, swizzle and back.
#include <doctest/doctest.h>

#include <set>
#include <vector>

#include "core/layout/scale_layout.h"
#include "core/tensor/tensor.h"

using namespace moe;

TEST_CASE("128x4: the published check values, two column tiles") {
  CHECK_EQ(offset_128x4(0, 0, 2), 0);
  CHECK_EQ(offset_128x4(1, 0, 2), 16);
  CHECK_EQ(offset_128x4(32, 0, 2), 4);
  CHECK_EQ(offset_128x4(33, 5, 2), 533);
  CHECK_EQ(offset_128x4(127, 3, 2), 511);
  CHECK_EQ(offset_128x4(128, 0, 2), 1024);
}

TEST_CASE("every offset of several padded shapes equals the 6D MMA view's and the offsets fill the storage once") {
  for (const auto& [rows, columns, planes] : std::vector<std::array<int64_t, 3>>{{128, 4, 1}, {256, 16, 3}, {1, 1, 1}, {100, 5, 2}, {130, 3, 2}, {192, 44, 2}, {257, 9, 1}}) {
    const Swizzled128x4 layout(rows, columns);
    CHECK_EQ(layout.bytes(), round_up(rows, 128) * round_up(columns, 4));
    const Mma6d view = mma6d_view(layout, planes);
    CHECK(view.shape == std::array<int64_t, 6>{32, 4, ceil_div(rows, 128), 4, ceil_div(columns, 4), planes});
    std::set<int64_t> seen;
    for (int64_t plane = 0; plane < planes; ++plane) {
      for (int64_t row = 0; row < layout.padded_rows(); ++row) {
        for (int64_t column = 0; column < layout.padded_columns(); ++column) {
          // torch: storage (E, m_tiles, k_tiles, 32, 4, 4) read as reshape of (E, m, k, r % 32, r / 32, c).
          const int64_t torch_offset = ((((plane * layout.m_tiles + row / 128) * layout.k_tiles + column / 4) * 32 + row % 32) * 4 + row % 128 / 32) * 4 + column % 4;
          const int64_t offset = plane * layout.bytes() + layout.offset(row, column);
          REQUIRE_EQ(offset, torch_offset);
          REQUIRE_EQ(mma6d_offset(view, mma6d_index(plane, row, column)), offset);
          seen.insert(offset);
        }
      }
    }
    CHECK_EQ(static_cast<int64_t>(seen.size()), planes * layout.bytes());
    CHECK_EQ(*seen.begin(), 0);
    CHECK_EQ(*seen.rbegin(), planes * layout.bytes() - 1);
  }
}

TEST_CASE("8x4 and linear offsets fill their storage once") {
  const Swizzled8x4 layout(20, 6);
  CHECK_EQ(layout.bytes(), 24 * 8);
  CHECK_EQ(layout.offset(9, 5), 32 * 2 + 32 + 4 + 1);
  std::set<int64_t> seen;
  for (int64_t row = 0; row < 24; ++row) {
    for (int64_t column = 0; column < 8; ++column) seen.insert(layout.offset(row, column));
  }
  CHECK_EQ(seen.size(), 192);
  CHECK_EQ(*seen.rbegin(), 191);
  CHECK_EQ(linear_offset(3, 2, 7), 23);
}

TEST_CASE("swizzle pads with zeros, unswizzle gives the bytes back") {
  for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{{128, 4}, {100, 5}, {1, 1}, {130, 3}, {256, 88}}) {
    const int64_t planes = 2;
    std::vector<uint8_t> linear(static_cast<size_t>(planes * rows * columns));
    for (size_t i = 0; i < linear.size(); ++i) linear[i] = static_cast<uint8_t>(1 + i % 251);
    const Swizzled128x4 layout(rows, columns);
    std::vector<uint8_t> swizzled(static_cast<size_t>(planes * layout.bytes()), 0xAA);
    swizzle_128x4(linear.data(), planes, rows, columns, swizzled.data());
    for (int64_t plane = 0; plane < planes; ++plane) {
      for (int64_t row = 0; row < layout.padded_rows(); ++row) {
        for (int64_t column = 0; column < layout.padded_columns(); ++column) {
          const bool inside = row < rows && column < columns;
          const uint8_t expected = inside ? linear[static_cast<size_t>((plane * rows + row) * columns + column)] : uint8_t{0};
          REQUIRE_EQ(swizzled[static_cast<size_t>(plane * layout.bytes() + layout.offset(row, column))], expected);
        }
      }
    }
    std::vector<uint8_t> back(linear.size());
    unswizzle_128x4(swizzled.data(), planes, rows, columns, back.data());
    CHECK(back == linear);
  }
}

TEST_CASE("the 6D tensor is a view of the same bytes") {
  const NewTensor scales = new_scales("w13_weight_scale", 3, 200, 10);
  CHECK(scales.tensor.shape == std::vector<int64_t>{3, 256, 12});
  const Tensor view = mma6d_tensor(scales.tensor, "w1_sf_mma");
  CHECK(view.shape == std::vector<int64_t>{32, 4, 2, 4, 3, 3});
  CHECK(view.strides == std::vector<int64_t>{16, 4, 1536, 1, 512, 3072});
  CHECK_EQ(view.data, scales.tensor.data);
  CHECK_EQ(view.backing, scales.tensor.backing);
  CHECK_EQ(view.planes(), 3);
}
