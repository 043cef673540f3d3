// Block dots: every SIMD level gives the scalar level's bits, and all agree with the exact integer dot.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "cpu/dot.h"
#include "reference/exact_dot.h"

using namespace moe;
using namespace moe::cpu;

namespace {

/// 16 weight rows and some activation rows of random codes and scales.
struct Operands {
  int64_t k;
  std::vector<uint8_t> weight_codes, weight_scales;          // [16, K/2], [16, K/16]
  std::vector<uint8_t> activation_codes, activation_scales;  // [rows, K/2], [rows, K/16]
  std::vector<int8_t> doubled;
  std::vector<int32_t> bias;
  std::vector<float> scales, panel_scales;
  std::vector<uint8_t> panel_codes;

  Operands(int64_t columns, int64_t rows, uint32_t seed, int largest_scale) : k(columns) {
    std::mt19937 random(seed);
    const auto fill = [&](std::vector<uint8_t>& out, int64_t count, int limit) {
      out.resize(static_cast<size_t>(count));
      for (uint8_t& byte : out) byte = static_cast<uint8_t>(std::uniform_int_distribution<int>(0, limit)(random));
    };
    fill(weight_codes, kPanel * k / 2, 255);
    fill(weight_scales, kPanel * k / 16, largest_scale);
    fill(activation_codes, rows * k / 2, 255);
    fill(activation_scales, rows * k / 16, largest_scale);
    prepare(rows);
  }

  void prepare(int64_t rows) {
    doubled.resize(static_cast<size_t>(rows * k));
    bias.assign(static_cast<size_t>(rows * k / 16), 0);
    scales.resize(bias.size());
    for (size_t i = 0; i < doubled.size(); ++i) {
      doubled[i] = kE2m1Halves[fp4_at(activation_codes.data(), static_cast<int64_t>(i))];
      bias[i / 16] -= kWeightBias * doubled[i];
    }
    for (size_t i = 0; i < scales.size(); ++i) scales[i] = e4m3_decode(activation_scales[i]);
    panel_codes.resize(static_cast<size_t>(k / 16 * 256));
    panel_scales.resize(static_cast<size_t>(k / 16 * kPanel));
    for (int64_t block = 0; block < k / 16; ++block) {
      for (int64_t output = 0; output < kPanel; ++output) {
        panel_scales[static_cast<size_t>(block * kPanel + output)] = e4m3_decode(weight_scales[static_cast<size_t>(output * (k / 16) + block)]) * 0.25F;
      }
    }
  }

  ActivationRow row(int64_t r) const { return {doubled.data() + r * k, bias.data() + r * (k / 16), scales.data() + r * (k / 16)}; }

  std::vector<float> run(Simd level, int count, int64_t first, int64_t last) {
    const Kernels& chosen = kernels(level);
    chosen.decode(weight_codes.data(), k / 2, k / 16, panel_codes.data());
    const Panel panel{panel_codes.data(), panel_scales.data()};
    std::vector<ActivationRow> rows;
    for (int r = 0; r < count; ++r) rows.push_back(row(r));
    std::vector<float> out(static_cast<size_t>(count) * kPanel);
    chosen.dot(panel, first, last, rows.data(), count, reinterpret_cast<float(*)[kPanel]>(out.data()));
    return out;
  }
};

}  // namespace

TEST_CASE("levels are bit-identical: odd block counts, every row count, slices") {
  for (const int64_t k : {16, 48, 80, 256, 2048, 2688}) {
    for (int count = 1; count <= kMaxRows; ++count) {
      Operands operands(k, kMaxRows, static_cast<uint32_t>(k + count), 0x7E);
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
  operands.panel_scales[3 * kPanel + 5] = e4m3_decode(kE4m3NaN);
  for (const Simd level : compiled_levels()) {
    if (!can_run(level)) continue;
    const std::vector<float> out = operands.run(level, 1, 0, 8);
    CHECK(std::isnan(out[5]));
    CHECK_FALSE(std::isnan(out[4]));
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
        const double a = operands.doubled[static_cast<size_t>(i)] * 0.5 * operands.scales[static_cast<size_t>(i / 16)];
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
