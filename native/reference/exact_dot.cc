#include "reference/exact_dot.h"

#include <array>
#include <cstring>
#include <limits>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/quantize/quantize.h"

namespace moe::reference {
namespace {

/// SF * 2^9 of every E4M3 byte; 0 for NaN.
constexpr std::array<int32_t, 256> make_units() {
  std::array<int32_t, 256> units{};
  for (int byte = 0; byte < 256; ++byte) {
    const auto code = static_cast<uint8_t>(byte);
    units[byte] = e4m3_is_nan(code) ? 0 : static_cast<int32_t>(e4m3_decode(code) * 512.0F);
  }
  return units;
}
constexpr std::array<int32_t, 256> kUnits = make_units();

/// Both doubled codes of every packed byte, low nibble first.
constexpr std::array<std::array<int16_t, 2>, 256> make_pairs() {
  std::array<std::array<int16_t, 2>, 256> pairs{};
  for (unsigned byte = 0; byte < 256; ++byte) pairs[byte] = {kE2m1Halves[byte & 15U], kE2m1Halves[byte >> 4U]};
  return pairs;
}
constexpr std::array<std::array<int16_t, 2>, 256> kPairs = make_pairs();

// Integers only, so that wider vectors change nothing but the time.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MOESCOPE_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define MOESCOPE_WIDE
#endif

MOESCOPE_WIDE int64_t sum_blocks(const int16_t* codes_a, const int32_t* units_a, const int16_t* codes_b, const int32_t* units_b, int64_t blocks) {
  int64_t sum = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    int32_t dot = 0;
    for (int i = 0; i < 16; ++i) dot += codes_a[block * 16 + i] * codes_b[block * 16 + i];
    sum += dot * (static_cast<int64_t>(units_a[block]) * units_b[block]);
  }
  return sum;
}

}  // namespace

ExactRows::ExactRows(int64_t rows, int64_t k) : k_(k), codes_(rows * k), units_(rows * (k / 16)), nan_(rows) {}

void ExactRows::load(int64_t r, const uint8_t* packed, const uint8_t* scales) {
  int16_t* codes = codes_.data() + r * k_;
  for (int64_t i = 0; i < k_ / 2; ++i) std::memcpy(codes + 2 * i, kPairs[packed[i]].data(), 2 * sizeof(int16_t));
  int32_t* units = units_.data() + r * (k_ / 16);
  nan_[r] = 0;
  for (int64_t block = 0; block < k_ / 16; ++block) {
    units[block] = kUnits[scales[block]];
    if (e4m3_is_nan(scales[block])) nan_[r] = 1;
  }
}

void ExactRows::quantize(int64_t r, const double* x, double scale, uint8_t* packed, uint8_t* scales) {
  std::vector<uint8_t> own_packed;
  std::vector<uint8_t> own_scales;
  if (packed == nullptr) {
    own_packed.resize(k_ / 2);
    packed = own_packed.data();
  }
  if (scales == nullptr) {
    own_scales.resize(k_ / 16);
    scales = own_scales.data();
  }
  quantize_row_ideal(x, k_, scale, packed, scales);
  load(r, packed, scales);
}

int64_t exact_dot(const ExactRows& a, int64_t row_a, const ExactRows& b, int64_t row_b) {
  return sum_blocks(a.codes(row_a), a.units(row_a), b.codes(row_b), b.units(row_b), a.k() / 16);
}

double exact_dot_value(const ExactRows& a, int64_t row_a, const ExactRows& b, int64_t row_b) {
  if (a.has_nan(row_a) || b.has_nan(row_b)) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(exact_dot(a, row_a, b, row_b)) * kExactUnit;
}

}  // namespace moe::reference
