// "Try every layout": every order, half and nibble order of layers of three shapes is named, with the evidence it needs.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "core/error/error.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/layout/scale_layout.h"
#include "core/layout_search/search.h"
#include "core/quantize/quantize.h"
#include "core/random/normal.h"
#include "core/random/philox.h"

using namespace moe;

namespace {

struct Shape {
  const char* name;
  int64_t planes, rows, columns;
  bool gated;
};
// FC1 and FC2 of a Qwen-like (gated), a Nemotron-like (relu2) and a gated layer whose I = 176 is no multiple of 128.
const Shape kShapes[] = {{"qwen w13", 4, 256, 16, true}, {"qwen w2", 4, 256, 8, false},  {"nemotron w1", 3, 232, 20, false},
                         {"nemotron w2", 3, 320, 15, false}, {"ragged w13", 4, 352, 12, true}, {"ragged w2", 4, 192, 11, false}};

/// A projection as exporters quantize it: experts scaled by exp(0.4 n), rows by exp(0.3 n).
struct Made {
  Shape shape;
  Tensor weights;                // F32 [E, R, K], before quantization
  Tensor codes;                  // fp4
  std::vector<uint8_t> scales;   // linear
};

Made make(const Shape& shape, uint64_t seed) {
  const int64_t elements = shape.columns * 16;
  NewTensor weights = new_tensor("reference", DType::kF32, Layout::kLinear, {shape.planes, shape.rows, elements});
  NewTensor codes = new_tensor("weight", DType::kU8, Layout::kFp4, {shape.planes, shape.rows, elements / 2});
  Made out{shape, weights.tensor, codes.tensor, std::vector<uint8_t>(static_cast<size_t>(shape.planes * shape.rows * shape.columns))};
  for (int64_t plane = 0; plane < shape.planes; ++plane) {
    const double expert = std::exp(0.4 * normal_at(static_cast<uint64_t>(plane), seed + 1));
    float* const at = weights.f32() + plane * shape.rows * elements;
    float amax = 0;
    for (int64_t row = 0; row < shape.rows; ++row) {
      const double sigma = 0.02 * expert * std::exp(0.3 * normal_at(static_cast<uint64_t>(plane * shape.rows + row), seed + 2));
      fill_normal(at + row * elements, static_cast<uint64_t>((plane * shape.rows + row) * elements), static_cast<uint64_t>(elements), seed, sigma);
      for (int64_t i = 0; i < elements; ++i) amax = std::max(amax, std::abs(at[row * elements + i]));
    }
    for (int64_t row = 0; row < shape.rows; ++row) {
      const int64_t index = plane * shape.rows + row;
      quantize_row(Quantizer::kB12xExact, at + row * elements, elements, amax / 2688.0F, codes.data + index * elements / 2, out.scales.data() + index * shape.columns);
    }
  }
  return out;
}

/// The scales in another order, by the definitions of core/layout and not by the search's own places.
std::vector<uint8_t> stored(const Made& made, ScaleOrder order, bool swap_halves, bool padded = false) {
  const auto [name, planes, rows, columns, gated] = made.shape;
  std::vector<uint8_t> linear = made.scales;
  if (swap_halves) {
    const auto half = static_cast<size_t>(rows / 2 * columns);
    for (int64_t plane = 0; plane < planes; ++plane) {
      uint8_t* at = linear.data() + plane * rows * columns;
      std::swap_ranges(at, at + half, at + half);
    }
  }
  const Swizzled128x4 layout(rows, columns);
  std::vector<uint8_t> swizzled(static_cast<size_t>(planes * layout.bytes()));
  swizzle_128x4(linear.data(), planes, rows, columns, swizzled.data());
  if (order == ScaleOrder::kSf128x4) return swizzled;
  std::vector<uint8_t> out;
  if (order == ScaleOrder::kMma6d) {
    const Mma6d view = mma6d_view(layout, planes);
    std::array<int64_t, 6> i{};
    for (i[0] = 0; i[0] < view.shape[0]; ++i[0])
      for (i[1] = 0; i[1] < view.shape[1]; ++i[1])
        for (i[2] = 0; i[2] < view.shape[2]; ++i[2])
          for (i[3] = 0; i[3] < view.shape[3]; ++i[3])
            for (i[4] = 0; i[4] < view.shape[4]; ++i[4])
              for (i[5] = 0; i[5] < view.shape[5]; ++i[5]) out.push_back(swizzled[static_cast<size_t>(mma6d_offset(view, i))]);
    return out;
  }
  const Swizzled8x4 small(rows, columns);
  const int64_t stored_rows = padded ? layout.padded_rows() : rows;
  const int64_t stored_columns = padded ? layout.padded_columns() : columns;
  const int64_t plane_bytes = order == ScaleOrder::kSf8x4 ? small.bytes() : stored_rows * stored_columns;
  out.assign(static_cast<size_t>(planes * plane_bytes), 0);
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) {
        const int64_t place = order == ScaleOrder::kSf8x4 ? small.offset(row, column) : order == ScaleOrder::kTransposed ? column * stored_rows + row : row * stored_columns + column;
        out[static_cast<size_t>(plane * plane_bytes + place)] = linear[static_cast<size_t>((plane * rows + row) * columns + column)];
      }
    }
  }
  return out;
}

Tensor raw(const std::vector<uint8_t>& bytes) {
  NewTensor out = new_tensor("scale", DType::kF8E4m3, Layout::kLinear, {static_cast<int64_t>(bytes.size())});
  std::memcpy(out.data, bytes.data(), bytes.size());
  return out.tensor;
}

/// The weights with halves swapped and nibbles turned, as a faulty exporter leaves them.
Tensor turned(const Made& made, bool swap_halves, bool high_first) {
  NewTensor out = new_tensor("weight", DType::kU8, Layout::kFp4, made.codes.shape);
  const int64_t row_bytes = made.codes.shape.back();
  for (int64_t plane = 0; plane < made.shape.planes; ++plane) {
    for (int64_t row = 0; row < made.shape.rows; ++row) {
      const uint8_t* from = made.codes.plane(plane) + (swap_halves ? swapped_row(row, made.shape.rows) : row) * row_bytes;
      uint8_t* to = out.data + (plane * made.shape.rows + row) * row_bytes;
      for (int64_t i = 0; i < row_bytes; ++i) to[i] = high_first ? static_cast<uint8_t>(from[i] << 4U | from[i] >> 4U) : from[i];
    }
  }
  return out.tensor;
}

LayoutQuestion question(const Made& made, const Tensor& scales, const Tensor& codes) {
  LayoutQuestion q;
  q.scales = &scales;
  q.planes = made.shape.planes;
  q.rows = made.shape.rows;
  q.columns = made.shape.columns;
  q.gated = made.shape.gated;
  q.codes = &codes;
  return q;
}

/// x [tokens, K] and y = x W^T of one plane from the weights before quantization, in fp32.
std::pair<Tensor, Tensor> output_of(const Made& made, int64_t plane, int64_t tokens) {
  const int64_t elements = made.shape.columns * 16;
  NewTensor x = new_tensor("x", DType::kF32, Layout::kLinear, {tokens, elements});
  NewTensor y = new_tensor("y", DType::kF32, Layout::kLinear, {tokens, made.shape.rows});
  fill_normal(x.f32(), 0, static_cast<uint64_t>(tokens * elements), 99, 1.0);
  const float* w = made.weights.f32() + plane * made.shape.rows * elements;
  for (int64_t token = 0; token < tokens; ++token) {
    for (int64_t row = 0; row < made.shape.rows; ++row) {
      double sum = 0;
      for (int64_t k = 0; k < elements; ++k) sum += static_cast<double>(x.f32()[token * elements + k]) * static_cast<double>(w[row * elements + k]);
      y.f32()[token * made.shape.rows + row] = static_cast<float>(sum);
    }
  }
  return {x.tensor, y.tensor};
}

bool wins(const LayoutSearch& found, ScaleOrder order, Halves halves, bool high_first) {
  const LayoutCandidate& winner = found.ranked.front().candidate;
  return found.explained && found.confidence > 0.999 && winner.order == order && winner.halves == halves && winner.high_first == high_first;
}

}  // namespace

TEST_CASE("places are those of core/layout") {
  const Swizzled128x4 layout(300, 10);
  const Mma6d view = mma6d_view(layout, 3);
  const OrderPlaces swizzled(ScaleOrder::kSf128x4, false, 3, 300, 10), small(ScaleOrder::kSf8x4, false, 3, 300, 10), linear(ScaleOrder::kLinear, false, 3, 300, 10),
      padded(ScaleOrder::kLinear, true, 3, 300, 10), transposed(ScaleOrder::kTransposed, false, 3, 300, 10), mma(ScaleOrder::kMma6d, false, 3, 300, 10);
  std::set<int64_t> seen;
  for (int64_t plane = 0; plane < 3; ++plane) {
    for (int64_t row = 0; row < 300; ++row) {
      for (int64_t column = 0; column < 10; ++column) {
        CHECK_EQ(swizzled.at(plane, row, column), mma6d_offset(view, mma6d_index(plane, row, column)));
        CHECK_EQ(small.at(plane, row, column), plane * Swizzled8x4(300, 10).bytes() + offset_8x4(row, column, 3));
        CHECK_EQ(linear.at(plane, row, column), (plane * 300 + row) * 10 + column);
        CHECK_EQ(padded.at(plane, row, column), (plane * 384 + row) * 12 + column);
        CHECK_EQ(transposed.at(plane, row, column), (plane * 10 + column) * 300 + row);
        seen.insert(mma.at(plane, row, column));
      }
    }
  }
  CHECK_EQ(seen.size(), 9000U);
  CHECK_LT(*seen.rbegin(), mma.bytes());
}

TEST_CASE("weights name every order, and scales whose halves lie the other way round") {
  for (const Shape& shape : kShapes) {
    const Made made = make(shape, 11);
    for (int order = 0; order < kScaleOrders; ++order) {
      for (int half = 0; half < (shape.gated ? 2 : 1); ++half) {
        const Tensor scales = raw(stored(made, static_cast<ScaleOrder>(order), half == 1));
        const LayoutSearch found = search_layout(question(made, scales, made.codes), Task{});
        INFO(shape.name, " ", scale_order_name(static_cast<ScaleOrder>(order)), " half ", half, ": coupling ", found.ranked.front().coupling, ", next ", found.ranked[1].coupling);
        CHECK(found.evidence == LayoutEvidence::kWeights);
        CHECK(wins(found, static_cast<ScaleOrder>(order), half == 1 ? Halves::kScalesSwapped : Halves::kAsSaid, false));
      }
    }
  }
}

TEST_CASE("storage with the swizzle's padding left in is known too") {
  const Made made = make(kShapes[4], 12);
  for (const ScaleOrder order : {ScaleOrder::kLinear, ScaleOrder::kTransposed, ScaleOrder::kSf128x4, ScaleOrder::kMma6d}) {
    const Tensor scales = raw(stored(made, order, false, true));
    const LayoutSearch found = search_layout(question(made, scales, made.codes), Task{});
    CHECK(wins(found, order, Halves::kAsSaid, false));
    CHECK_EQ(found.ranked.front().candidate.padded, order == ScaleOrder::kLinear || order == ScaleOrder::kTransposed);
    CHECK_FALSE(found.ranked.back().candidate.possible);  // 8x4 takes fewer bytes
  }
}

TEST_CASE("a reference names the halves of the weights and the order of nibbles besides") {
  for (const Shape& shape : kShapes) {
    const Made made = make(shape, 13);
    const auto [x, y] = output_of(made, 1, 24);
    for (int order = 0; order < kScaleOrders; ++order) {
      for (int half = 0; half < (shape.gated ? kHalves : 1); ++half) {
        for (const bool high_first : {false, true}) {
          const auto halves = static_cast<Halves>(half);
          const Tensor scales = raw(stored(made, static_cast<ScaleOrder>(order), scales_swapped(halves)));
          const Tensor codes = turned(made, weights_swapped(halves), high_first);
          LayoutQuestion q = question(made, scales, codes);
          q.weights = &made.weights;
          const LayoutSearch by_weights = search_layout(q, Task{});
          INFO(shape.name, " ", scale_order_name(static_cast<ScaleOrder>(order)), " ", halves_name(halves), " high first ", high_first, ": nrmse ", by_weights.ranked.front().nrmse, ", next ", by_weights.ranked[1].nrmse);
          CHECK(wins(by_weights, static_cast<ScaleOrder>(order), halves, high_first));
          q.weights = nullptr;
          q.x = &x;
          q.y = &y;
          q.plane = 1;
          const LayoutSearch by_output = search_layout(q, Task{});
          INFO("by output: nrmse ", by_output.ranked.front().nrmse, ", next ", by_output.ranked[1].nrmse);
          CHECK(wins(by_output, static_cast<ScaleOrder>(order), halves, high_first));
        }
      }
    }
  }
}

TEST_CASE("what the data cannot say is not guessed") {
  const Made made = make(kShapes[0], 14);
  const auto searched = [&](const std::vector<uint8_t>& bytes, bool with_codes) {
    const Tensor scales = raw(bytes);
    LayoutQuestion q = question(made, scales, made.codes);
    if (!with_codes) q.codes = nullptr;
    return search_layout(q, Task{});
  };
  SUBCASE("scales without weights") {
    const LayoutSearch found = searched(stored(made, ScaleOrder::kSf128x4, false), false);
    CHECK(found.evidence == LayoutEvidence::kStructure);
    CHECK_LE(found.confidence, 0.5);
    CHECK(found.ranked.front().candidate.order == ScaleOrder::kSf128x4);
  }
  SUBCASE("scales of other weights, and one value everywhere") {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      CHECK_LE(searched(make(kShapes[0], 100 + seed).scales, true).confidence, 0.5);
    }
    CHECK_LE(searched(std::vector<uint8_t>(made.scales.size(), 0x38), true).confidence, 0.5);
  }
  SUBCASE("a shuffle that is no known order") {
    std::vector<uint8_t> shuffled = made.scales;
    for (size_t i = shuffled.size() - 1; i > 0; --i) std::swap(shuffled[i], shuffled[philox(i, 4)[0] % (i + 1)]);
    CHECK_LE(searched(shuffled, true).confidence, 0.5);
  }
  SUBCASE("a reference of other weights") {
    const Made other = make(kShapes[0], 15);
    const Tensor scales = raw(made.scales);
    LayoutQuestion q = question(made, scales, made.codes);
    q.weights = &other.weights;
    const LayoutSearch found = search_layout(q, Task{});
    CHECK_FALSE(found.explained);
    CHECK_LE(found.confidence, 0.5);
  }
  SUBCASE("orders that read the same bytes are one") {
    const Shape narrow{"four columns", 4, 256, 4, false};
    const Made four = make(narrow, 16);
    const Tensor scales = raw(four.scales);
    const LayoutSearch found = search_layout(question(four, scales, four.codes), Task{});
    CHECK(wins(found, ScaleOrder::kLinear, Halves::kAsSaid, false));
    CHECK_EQ(found.ranked[1].same_as, 0);  // 8x4 of 4 columns is linear
  }
}

TEST_CASE("what does not fit is refused with what was expected") {
  const Made made = make(kShapes[1], 17);
  const auto code_of = [](const LayoutQuestion& q) -> std::string {
    try {
      search_layout(q, Task{});
    } catch (const Error& error) {
      return error.code();
    }
    return "";
  };
  const Tensor scales = raw(made.scales);
  const Tensor short_scales = raw(std::vector<uint8_t>(made.scales.size() - 1));
  CHECK_EQ(code_of(question(made, short_scales, made.codes)), code::kWrongShape);
  LayoutQuestion q = question(made, scales, made.codes);
  q.rows += 1;
  CHECK_EQ(code_of(q), code::kWrongShape);
  q = question(made, made.weights, made.codes);
  CHECK_EQ(code_of(q), code::kWrongDtype);
  q = question(made, scales, made.codes);
  q.codes = nullptr;
  q.weights = &made.weights;
  CHECK_EQ(code_of(q), code::kUsage);
}
