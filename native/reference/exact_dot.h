// Quantized rows as integers, and their dot product without any rounding.
//
// 2 * code is an integer of at most 12, and SF is a multiple of 2^-9 (E4M3's subnormal step), so code * SF * code * SF is
// a multiple of 2^-20 and a whole row sums exactly in 64 bits: |sum| <= K/16 * 2304 * (448 * 2^9)^2 < 2^63 for
// K <= 1.2 million. The result depends on no order. (anchors: performance, section 4.)
#pragma once

#include <cstdint>
#include <vector>

namespace moe::reference {

inline constexpr double kExactUnit = 1.0 / (1 << 20);

/// Rows of K FP4 codes with their block scales. K is a multiple of 16.
class ExactRows {
 public:
  ExactRows(int64_t rows, int64_t k);

  /// Row r from stored bytes: K/2 packed codes and K/16 E4M3 scales in column order.
  void load(int64_t r, const uint8_t* packed, const uint8_t* scales);
  /// Quantizes x[0..K) with the small scale `scale`, exactly (quantize_row_ideal), and loads the result. The bytes go to
  /// `packed` and `scales` too where these are not null.
  void quantize(int64_t r, const double* x, double scale, uint8_t* packed, uint8_t* scales);

  int64_t k() const { return k_; }
  const int16_t* codes(int64_t r) const { return codes_.data() + r * k_; }  ///< 2 * value
  const int32_t* units(int64_t r) const { return units_.data() + r * (k_ / 16); }  ///< SF * 2^9
  bool has_nan(int64_t r) const { return nan_[r] != 0; }

 private:
  int64_t k_;
  std::vector<int16_t> codes_;
  std::vector<int32_t> units_;
  std::vector<uint8_t> nan_;
};

/// sum of code_a * SF_a * code_b * SF_b over K in units of kExactUnit. NaN scales are the caller's to look at.
int64_t exact_dot(const ExactRows& a, int64_t row_a, const ExactRows& b, int64_t row_b);

/// The same as a number: the exact sum rounded once to fp64, NaN when either row has a NaN scale.
double exact_dot_value(const ExactRows& a, int64_t row_a, const ExactRows& b, int64_t row_b);

}  // namespace moe::reference
