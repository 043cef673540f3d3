// A tile read through the pyramid equals the same tile read element by element.
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstring>

#include "core/layout/scale_layout.h"
#include "core/random/philox.h"
#include "core/tensor/inspect.h"
#include "core/tensor/pyramid.h"

using namespace moe;

namespace {

Tile brute(const Tensor& tensor, const TileRequest& r) {
  Tile out = new_tile(r);
  const PlaneReader reader(tensor, r.plane);
  for (int64_t i = 0; i < r.out_rows; ++i) {
    for (int64_t j = 0; j < r.out_columns; ++j) {
      TileCell cell;
      for (int64_t row = r.row0 + i * r.rows / r.out_rows; row < r.row0 + (i + 1) * r.rows / r.out_rows; ++row) {
        for (int64_t column = r.column0 + j * r.columns / r.out_columns; column < r.column0 + (j + 1) * r.columns / r.out_columns; ++column) {
          const Element element = reader.at(row, column);
          cell.add(element.value, element.kind);
        }
      }
      cell.store(out, static_cast<size_t>(i * r.out_columns + j));
    }
  }
  return out;
}

bool same(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) != std::isnan(b[i])) return false;
    if (!std::isnan(a[i]) && !(a[i] == b[i]) && std::abs(a[i] - b[i]) > tolerance * std::abs(b[i])) return false;
  }
  return true;
}

/// Random bytes, every code; every 64th byte of F8 is a NaN code so that a few blocks hold one.
Tensor random_tensor(DType dtype, Layout layout, int64_t planes, int64_t rows, int64_t columns, uint64_t seed) {
  NewTensor out = layout == Layout::kSf128x4 ? new_scales("t", planes, rows, columns)
                                             : new_tensor("t", dtype, layout, {planes, rows, layout == Layout::kFp4 ? columns / 2 : columns});
  for (uint64_t i = 0; i < out.tensor.bytes; i += 4) {
    const uint32_t word = philox(i, seed)[0];
    uint32_t value = word;
    if (dtype == DType::kF8E4m3 && word % 97 != 0) value &= 0x3F3F3F3FU;
    if (dtype == DType::kF32) value = (word & 0x807FFFFFU) | 0x3F000000U;
    std::memcpy(out.data + i, &value, std::min<uint64_t>(4, out.tensor.bytes - i));
  }
  return out.tensor;
}

}  // namespace

TEST_CASE("a tile through the pyramid equals brute force") {
  struct Shape {
    DType dtype;
    Layout layout;
    int64_t planes, rows, columns;
  };
  // Square, tall, wide, extents that are no multiple of a block, every way that elements are stored.
  const Shape shapes[] = {{DType::kF8E4m3, Layout::kLinear, 1, 700, 523},   {DType::kF8E4m3, Layout::kSf128x4, 2, 1500, 203}, {DType::kF8E4m3, Layout::kLinear, 1, 40000, 7},
                          {DType::kF8E4m3, Layout::kLinear, 1, 5, 60001},   {DType::kU8, Layout::kFp4, 1, 520, 1024},         {DType::kU8, Layout::kLinear, 1, 512, 1024},
                          {DType::kF32, Layout::kLinear, 1, 513, 777},      {DType::kF8E4m3, Layout::kLinear, 1, 262144, 1}};
  const Task task;
  uint64_t counter = 0;
  const auto draw = [&](int64_t low, int64_t high) { return low + static_cast<int64_t>(philox(counter++, 77)[0] % static_cast<uint64_t>(high - low + 1)); };
  for (const Shape& shape : shapes) {
    const Tensor tensor = random_tensor(shape.dtype, shape.layout, shape.planes, shape.rows, shape.columns, 5);
    REQUIRE(pyramid_of(tensor, shape.planes - 1, task) != nullptr);
    for (int i = 0; i < 40; ++i) {
      TileRequest r;
      r.plane = shape.planes - 1;
      r.rows = i == 0 ? shape.rows : draw(1, shape.rows);
      r.columns = i == 0 ? shape.columns : draw(1, shape.columns);
      r.row0 = draw(0, shape.rows - r.rows);
      r.column0 = draw(0, shape.columns - r.columns);
      r.out_rows = draw(1, std::min<int64_t>(r.rows, 9));
      r.out_columns = draw(1, std::min<int64_t>(r.columns, 9));
      const Tile fast = tile(tensor, r, task);
      const Tile slow = brute(tensor, r);
      // Sums of E4M3, U8 and fp4 are exact in fp64; of F32 they depend on the order, in the last bits of fp64.
      const float tolerance = shape.dtype == DType::kF32 ? 1e-5F : 0.0F;
      CHECK(same(fast.min, slow.min, 0));
      CHECK(same(fast.max, slow.max, 0));
      CHECK(same(fast.mean, slow.mean, tolerance));
      CHECK_EQ(fast.marks, slow.marks);
    }
  }
}

TEST_CASE("a pyramid is made once, for large planes only, and goes with its tensor") {
  const Task task;
  CHECK(pyramid_of(random_tensor(DType::kF8E4m3, Layout::kLinear, 1, 100, 100, 1), 0, task) == nullptr);
  std::weak_ptr<const Pyramid> gone;
  {
    const Tensor tensor = random_tensor(DType::kF8E4m3, Layout::kLinear, 1, 600, 600, 1);
    const auto first = pyramid_of(tensor, 0, task);
    CHECK_EQ(first->block_rows() * first->block_columns(), 256);
    const Tensor view = tensor;  // another handle on the same storage
    CHECK_EQ(pyramid_of(view, 0, task), first);
    gone = first;
  }
  // Forgotten at the next question about any tensor.
  pyramid_of(random_tensor(DType::kF8E4m3, Layout::kLinear, 1, 600, 601, 2), 0, task);
  CHECK(gone.expired());
}

TEST_CASE("1e8 elements: the second look at a plane reads blocks, not elements") {
  NewTensor made = new_tensor("t", DType::kF8E4m3, Layout::kLinear, {1, 10000, 10000});
  std::memset(made.data, 0x38, made.tensor.bytes);
  const Task task;
  const auto seconds = [&](const TileRequest& r) {
    const auto start = std::chrono::steady_clock::now();
    const Tile out = tile(made.tensor, r, task);
    CHECK_EQ(out.mean[0], 1.0F);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const TileRequest whole{0, 0, 8192, 0, 8192, 64, 64};
  const double first = seconds(whole);
  double again = first;
  for (int i = 0; i < 5; ++i) again = std::min(again, seconds(whole));
  MESSAGE("first look ", first * 1e3, " ms, again ", again * 1e3, " ms");
  // A scan of 6.7e7 elements takes tens of milliseconds on any machine; 4096 blocks some microseconds.
  CHECK(again * 4 < first);
}
