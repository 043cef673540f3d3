// Block dots: every SIMD level gives the scalar level's bits, and all agree with the exact integer dot.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/layout/scale_layout.h"
#include "cpu/dot.h"
#include "reference/exact_dot.h"

using namespace moe;
using namespace moe::cpu;

namespace {

/// 16 weight rows and some activation rows of random codes and scales.
struct Operands {
  int64_t k, blocks;
  std::vector<uint8_t> weight_codes, weight_scales;          // [16, K/2], [16, K/16]
  std::vector<uint8_t> activation_codes, activation_scales;  // [rows, K/2], [rows, K/16]
  std::vector<uint8_t> swizzled;                             // weight_scales in the 128x4 layout, at rows 16 .. 31
  std::vector<ActivationBlock> prepared;                     // [rows, K/16]

  Operands(int64_t columns, int64_t rows, uint32_t seed, int largest_scale) : k(columns), blocks(columns / 16) {
    std::mt19937 random(seed);
    const auto fill = [&](std::vector<uint8_t>& out, int64_t count, int limit) {
      out.resize(static_cast<size_t>(count));
      for (uint8_t& byte : out) byte = static_cast<uint8_t>(std::uniform_int_distribution<int>(0, limit)(random));
    };
    fill(weight_codes, kPanel * k / 2, 255);
    fill(weight_scales, kPanel * blocks, largest_scale);
    fill(activation_codes, rows * k / 2, 255);
    fill(activation_scales, rows * blocks, largest_scale);
    prepare(rows);
  }

  void prepare(int64_t rows) {
    prepared.assign(static_cast<size_t>(rows * blocks), {});
    for (int64_t i = 0; i < rows * blocks; ++i) {
      ActivationBlock& out = prepared[static_cast<size_t>(i)];
      for (int position = 0; position < 16; ++position) {
        out.codes[position] = kE2m1Halves[fp4_at(activation_codes.data(), i * 16 + element_at(position))];
        out.bias -= kWeightBias * out.codes[position];
      }
      out.scale = e4m3_decode(activation_scales[static_cast<size_t>(i)]);
    }
    const Swizzled128x4 layout(32, blocks);
    swizzled.assign(static_cast<size_t>(layout.bytes()), 0);
    for (int64_t output = 0; output < kPanel; ++output) {
      for (int64_t block = 0; block < blocks; ++block) swizzled[static_cast<size_t>(layout.offset(16 + output, block))] = weight_scales[static_cast<size_t>(output * blocks + block)];
    }
  }

  double doubled(int64_t element) const { return kE2m1Halves[fp4_at(activation_codes.data(), element)]; }

  /// Sums over blocks [first, last) of `count` rows, in one go or chunk by chunk as they come.
  std::vector<float> run(Simd level, int count, int64_t first, int64_t last) const {
    const Kernels& chosen = kernels(level);
    const Swizzled128x4 layout(32, blocks);
    std::vector<const ActivationBlock*> rows;
    for (int r = 0; r < count; ++r) rows.push_back(prepared.data() + r * blocks);
    std::vector<float> out(static_cast<size_t>(count) * kPanel);
    Panel panel;
    for (int64_t base = 0; base < last; base += kChunk) {
      const int64_t present = std::min(kChunk, blocks - base);
      chosen.decode(weight_codes.data() + base * 8, k / 2, present, panel);
      chosen.scales(swizzled.data() + layout.offset(16, base), present, panel);
      chosen.dot(panel, std::max(first - base, int64_t{0}), std::min(last - base, present), rows.data(), base, count, reinterpret_cast<float(*)[kPanel]>(out.data()));
    }
    return out;
  }
};

constexpr int kMostRows = 9;

}  // namespace

TEST_CASE("levels are bit-identical: odd block counts, every row count, slices") {
  for (const int64_t k : {16, 48, 80, 256, 2048, 2688}) {
    for (int count = 1; count <= kMostRows; ++count) {
      const Operands operands(k, kMostRows, static_cast<uint32_t>(k + count), 0x7E);
      for (const auto& [first, last] : std::vector<std::pair<int64_t, int64_t>>{{0, k / 16}, {k / 32, k / 16}, {0, 1}}) {
        const std::vector<float> expected = operands.run(Simd::kScalar, count, first, last);
        for (const Simd level : compiled_levels()) {
          if (!can_run(level)) {
            MESSAGE(simd_name(level), " cannot run here");
            continue;
          }
          CAPTURE(simd_name(level));
          CAPTURE(k);
          const std::vector<float> out = operands.run(level, count, first, last);
          CHECK_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)), 0);
        }
      }
    }
  }
}

TEST_CASE("the form for few rows gives the bits of panels: every row count, slices, with and without a next panel") {
  for (const int64_t k : {64, 768, 2048}) {
    for (int count = 1; count <= kFewRows; ++count) {
      const Operands operands(k, count, static_cast<uint32_t>(k + count), 0x7E);
      const Swizzled128x4 layout(32, operands.blocks);
      std::vector<const ActivationBlock*> rows;
      for (int r = 0; r < count; ++r) rows.push_back(operands.prepared.data() + r * operands.blocks);
      for (const int64_t slice : {kFewBlocks, operands.blocks}) {
        std::vector<float> expected;
        for (int64_t first = 0; first < operands.blocks; first += slice) {
          const std::vector<float> part = operands.run(Simd::kScalar, count, first, first + slice);
          expected.insert(expected.end(), part.begin(), part.end());
        }
        for (const Simd level : compiled_levels()) {
          if (!can_run(level) || kernels(level).few_rows == nullptr) continue;
          for (const uint8_t* next : {static_cast<const uint8_t*>(nullptr), operands.weight_codes.data()}) {
            const PanelSource source{operands.weight_codes.data(), k / 2, operands.swizzled.data() + layout.offset(16, 0), operands.blocks, slice, next, next};
            std::vector<float> out(expected.size(), -1.0F);
            kernels(level).few_rows(source, rows.data(), count, reinterpret_cast<float(*)[kPanel]>(out.data()));
            CAPTURE(k);
            CAPTURE(slice);
            CHECK_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)), 0);
          }
        }
      }
    }
  }
}

TEST_CASE("extreme codes do not overflow any level") {
  Operands operands(64, 1, 1, 0x7E);
  for (const uint8_t byte : {0x77, 0xFF, 0x7F}) {
    std::fill(operands.weight_codes.begin(), operands.weight_codes.end(), byte);
    std::fill(operands.activation_codes.begin(), operands.activation_codes.end(), uint8_t{0x77});
    operands.prepare(1);
    const std::vector<float> expected = operands.run(Simd::kScalar, 1, 0, 4);
    for (const Simd level : compiled_levels()) {
      if (can_run(level)) CHECK_EQ(operands.run(level, 1, 0, 4), expected);
    }
  }
}

TEST_CASE("a NaN scale reaches the sum at every level") {
  Operands operands(128, 1, 9, 0x7E);
  operands.weight_scales[5 * 8 + 3] = kE4m3NaN;
  operands.prepare(1);
  for (const Simd level : compiled_levels()) {
    if (!can_run(level)) continue;
    const std::vector<float> out = operands.run(level, 1, 0, 8);
    CHECK(std::isnan(out[5]));
    CHECK_FALSE(std::isnan(out[4]));
  }
}

TEST_CASE("every scale byte decodes to a quarter of its value at every level") {
  Operands operands(64, 1, 3, 0x7E);
  for (int start = 0; start < 256; start += 64) {
    for (int i = 0; i < 64; ++i) operands.weight_scales[static_cast<size_t>(i)] = static_cast<uint8_t>(start + i);
    operands.prepare(1);
    for (const Simd level : compiled_levels()) {
      if (!can_run(level)) continue;
      Panel panel;
      kernels(level).scales(operands.swizzled.data() + Swizzled128x4(32, 4).offset(16, 0), 4, panel);
      for (int i = 0; i < 64; ++i) {
        const float expected = e4m3_decode(static_cast<uint8_t>(start + i)) * 0.25F;
        const float found = panel.scales[i % 4][i / 4];
        CAPTURE(start + i);
        CHECK((std::isnan(expected) ? std::isnan(found) : found == expected && std::signbit(found) == std::signbit(expected)));
      }
    }
  }
}

TEST_CASE("fp32 sums stay within their rounding of the exact dot; one block is exact") {
  for (const int64_t k : {16, 256, 4096}) {
    Operands operands(k, 1, 77, 0x7E);
    reference::ExactRows weights(kPanel, k);
    reference::ExactRows activations(1, k);
    activations.load(0, operands.activation_codes.data(), operands.activation_scales.data());
    const std::vector<float> out = operands.run(Simd::kScalar, 1, 0, k / 16);
    for (int64_t n = 0; n < kPanel; ++n) {
      weights.load(n, operands.weight_codes.data() + n * (k / 2), operands.weight_scales.data() + n * (k / 16));
      const double exact = reference::exact_dot_value(activations, 0, weights, n);
      double magnitude = 0;  // sum of |term|: what fp32 rounding is relative to
      for (int64_t i = 0; i < k; ++i) {
        const double a = operands.doubled(i) * 0.5 * e4m3_decode(operands.activation_scales[static_cast<size_t>(i / 16)]);
        magnitude += std::fabs(a * e2m1_decode(fp4_at(operands.weight_codes.data() + n * (k / 2), i)) * e4m3_decode(operands.weight_scales[static_cast<size_t>(n * (k / 16) + i / 16)]));
      }
      CAPTURE(k);
      if (k == 16) CHECK_EQ(static_cast<double>(out[static_cast<size_t>(n)]), exact);
      // k / 16 additions, each off by at most 2^-24 of a partial sum.
      CHECK_LE(std::fabs(out[static_cast<size_t>(n)] - exact), static_cast<double>(k) / 16 * std::ldexp(magnitude, -24));
    }
  }
}

TEST_CASE("the exact dot equals plain fp64 where fp64 is exact, and has no order") {
  Operands operands(64, 1, 5, 0x40);
  reference::ExactRows a(1, 64);
  reference::ExactRows b(1, 64);
  a.load(0, operands.activation_codes.data(), operands.activation_scales.data());
  b.load(0, operands.weight_codes.data(), operands.weight_scales.data());
  double sum = 0;
  for (int64_t i = 0; i < 64; ++i) {
    const auto value = [&](const std::vector<uint8_t>& codes, const std::vector<uint8_t>& scales) {
      return static_cast<double>(e2m1_decode(fp4_at(codes.data(), i))) * static_cast<double>(e4m3_decode(scales[static_cast<size_t>(i / 16)]));
    };
    sum += value(operands.activation_codes, operands.activation_scales) * value(operands.weight_codes, operands.weight_scales);
  }
  CHECK_EQ(reference::exact_dot_value(a, 0, b, 0), sum);
  CHECK_EQ(reference::exact_dot(a, 0, b, 0), reference::exact_dot(b, 0, a, 0));
}

TEST_CASE("the largest row that fits: 448 * 6 on both sides over 16384 columns") {
  const int64_t k = 16384;
  const std::vector<uint8_t> codes(static_cast<size_t>(k / 2), 0x77);
  const std::vector<uint8_t> scales(static_cast<size_t>(k / 16), 0x7E);
  reference::ExactRows rows(1, k);
  rows.load(0, codes.data(), scales.data());
  CHECK_EQ(reference::exact_dot_value(rows, 0, rows, 0), static_cast<double>(k) * 2688.0 * 2688.0);
}
