// Blocks counted by scale byte and largest code, in both layouts; what rows and columns explain of scales.
#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "core/error/error.h"
#include "core/formats/e2m1.h"
#include "core/hazards/block_census.h"
#include "core/layout/scale_layout.h"

using namespace moe;

namespace {

struct Made {
  NewTensor scales, codes;
};

Made made(int64_t planes, int64_t rows, int64_t columns) {
  Made out{new_tensor("w_weight_scale", DType::kF8E4m3, Layout::kLinear, {planes, rows, columns}), new_tensor("w_weight", DType::kU8, Layout::kFp4, {planes, rows, columns * 8})};
  std::mt19937 random(7);
  for (uint64_t i = 0; i < out.scales.tensor.bytes; ++i) out.scales.data[i] = static_cast<uint8_t>(random() % 0x7F);
  for (uint64_t i = 0; i < out.codes.tensor.bytes; ++i) out.codes.data[i] = random() % 5 == 0 ? static_cast<uint8_t>(0x80) : static_cast<uint8_t>(random());
  std::memset(out.codes.data, 0x08, 8);  // a block of zeros, one of them minus zero
  return out;
}

}  // namespace

TEST_CASE("counts equal a count element by element, and the swizzled tensor gives the same") {
  const int64_t planes = 3, rows = 10, columns = 5, row0 = 2, taken = 7;
  const Made m = made(planes, rows, columns);
  std::vector<BlockCensus> expected(3);
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t row = row0; row < row0 + taken; ++row) {
      for (int64_t column = 0; column < columns; ++column) {
        const uint8_t byte = m.scales.data[(plane * rows + row) * columns + column];
        float energy = 0;
        uint8_t largest = 0;
        for (int64_t i = 0; i < 16; ++i) {
          const uint8_t code = fp4_at(m.codes.data, ((plane * rows + row) * columns + column) * 16 + i);
          energy += e2m1_decode(code) * e2m1_decode(code);
          largest = std::max<uint8_t>(largest, code & 7U);
        }
        ++expected[static_cast<size_t>(plane)].blocks[byte * 8U + largest];
        expected[static_cast<size_t>(plane)].energy[byte] += static_cast<uint64_t>(4 * energy);
      }
    }
  }
  const auto found = block_census(m.scales.tensor, &m.codes.tensor, row0, taken, {});
  NewTensor swizzled = new_scales("w_weight_scale", planes, rows, columns);
  swizzle_128x4(m.scales.data, planes, rows, columns, swizzled.data);
  const auto again = block_census(swizzled.tensor, &m.codes.tensor, row0, taken, {});
  const auto blind = block_census(m.scales.tensor, nullptr, row0, taken, {});
  REQUIRE_EQ(found.size(), 3);
  for (size_t plane = 0; plane < 3; ++plane) {
    CHECK(found[plane].blocks == expected[plane].blocks);
    CHECK(found[plane].energy == expected[plane].energy);
    CHECK(again[plane].blocks == expected[plane].blocks);
    CHECK(again[plane].energy == expected[plane].energy);
    for (size_t byte = 0; byte < 256; ++byte) {
      uint64_t all = 0;
      for (size_t code = 0; code < 8; ++code) all += expected[plane].blocks[byte * 8 + code];
      CHECK_EQ(blind[plane].blocks[byte * 8 + 7], all);
      CHECK_EQ(blind[plane].energy[byte], 0);
    }
  }
  CHECK_EQ(block_census(m.scales.tensor, &m.codes.tensor, 0, 1, {})[0].blocks[m.scales.data[0] * 8U], 1);
}

TEST_CASE("rows outside, a tensor that is no scale, codes of another shape") {
  const Made m = made(2, 4, 2);
  const Made other = made(2, 5, 2);
  CHECK_THROWS_AS(block_census(m.scales.tensor, nullptr, 0, 5, {}), Error);
  CHECK_THROWS_AS(block_census(m.scales.tensor, nullptr, -1, 2, {}), Error);
  CHECK_THROWS_AS(block_census(m.codes.tensor, nullptr, 0, 1, {}), Error);
  CHECK_THROWS_AS(block_census(m.scales.tensor, &other.codes.tensor, 0, 1, {}), Error);
  CHECK_THROWS_AS(block_census(m.scales.tensor, &m.scales.tensor, 0, 1, {}), Error);
}

TEST_CASE("structure of rows and columns shows the order the bytes are in") {
  const int64_t rows = 128, columns = 16;
  const Made m = made(2, rows, columns);
  // Plane 0: a scale byte of row + column, so the whole variance is theirs. Plane 1 stays independent.
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) m.scales.data[row * columns + column] = static_cast<uint8_t>(8 * (1 + row % 7 + column % 5));
  }
  auto found = layout_evidence(m.scales.tensor, 0, rows, {});
  REQUIRE_EQ(found.size(), 2);
  CHECK(found[0].linear > 0.999);
  CHECK(found[0].tiled < 0.6);
  CHECK(found[1].linear < 2 * found[1].chance);
  CHECK(found[1].tiled < 2 * found[1].chance);
  NewTensor tiled = new_tensor("w_weight_scale", DType::kF8E4m3, Layout::kLinear, {2, rows, columns});
  swizzle_128x4(m.scales.data, 2, rows, columns, tiled.data);
  found = layout_evidence(tiled.tensor, 0, rows, {});
  CHECK(found[0].tiled > 0.999);
  CHECK(found[0].linear < 0.6);
  CHECK(layout_evidence(m.scales.tensor, 0, 100, {}).empty());
}
