// The counter-based generator and the normal numbers made from it.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "core/formats/bf16.h"
#include "core/random/normal.h"
#include "core/random/philox.h"

using namespace moe;

TEST_CASE("Philox4x32-10: the known answers of Random123") {
  CHECK(philox(PhiloxBlock{0, 0, 0, 0}, 0) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox(PhiloxBlock{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff) == PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox(PhiloxBlock{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) == PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the quantile inverts the distribution function") {
  // erfc of the C library is an independent implementation, good to about 1e-15.
  for (double p = 0x1p-33; p < 0.5; p *= 1.37) {
    const double x = normal_quantile(p);
    CHECK_EQ(0.5 * std::erfc(-x / std::sqrt(2.0)) / p, doctest::Approx(1.0).epsilon(2e-14));
    CHECK_EQ(normal_quantile(1.0 - p), doctest::Approx(-normal_quantile(1.0 - (1.0 - p))).epsilon(1e-13));
  }
  CHECK_EQ(normal_quantile(0.5), 0.0);
  CHECK_EQ(normal_quantile(0.975), doctest::Approx(1.959963984540054).epsilon(1e-15));
  CHECK_EQ(normal_quantile(0.84134474606854293), doctest::Approx(1.0).epsilon(1e-14));
}

TEST_CASE("the stream is a function of seed and index, and it is normal") {
  std::vector<float> all(4096);
  fill_normal(all.data(), 0, all.size(), 42, 1.0);
  std::vector<float> part(100);
  fill_normal(part.data(), 1001, part.size(), 42, 1.0);
  for (size_t i = 0; i < part.size(); ++i) CHECK_EQ(part[i], all[1001 + i]);
  CHECK_EQ(all[7], static_cast<float>(normal_at(7, 42)));
  CHECK_NE(normal_at(7, 42), normal_at(7, 43));
  double sum = 0, squares = 0, fourth = 0;
  const uint64_t count = 1U << 18U;
  for (uint64_t i = 0; i < count; ++i) {
    const double x = normal_at(i, 42);
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  const auto n = static_cast<double>(count);
  // Four standard errors: 1 / sqrt(n), sqrt(2 / n), sqrt(96 / n).
  CHECK_LT(std::fabs(sum / n), 4 / std::sqrt(n));
  CHECK_LT(std::fabs(squares / n - 1), 4 * std::sqrt(2 / n));
  CHECK_LT(std::fabs(fourth / n - 3), 4 * std::sqrt(96 / n));
}

TEST_CASE("the bits themselves are pinned: a made checkpoint is the same on every machine") {
  CHECK_EQ(normal_at(0, 1), normal_quantile((static_cast<double>(philox(0, 1)[0]) + 0.5) * 0x1p-32));
  const std::vector<uint16_t> expected = {16285, 16288, 15966, 16143, 16100, 16275, 48507, 16078};
  for (uint64_t i = 0; i < expected.size(); ++i) CHECK_EQ(bf16_encode(normal_at(i, 1)), expected[i]);
}
