#include "core/random/normal.h"

#include <array>
#include <bit>
#include <cmath>

#include "core/random/philox.h"

namespace moe {
namespace {

template <size_t N>
double polynomial(const std::array<double, N>& c, double x) {
  double sum = c[N - 1];
  for (size_t i = N - 1; i-- > 0;) sum = sum * x + c[i];
  return sum;
}

/// Natural logarithm of a positive normal number: exponent * ln 2 + 2 atanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)),
/// the series cut where terms fall below 2^-53.
double basic_log(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52U) - 1023;
  double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);  // |s| <= 0.1716
  const double z = s * s;
  double sum = 0;
  for (int k = 21; k >= 1; k -= 2) sum = sum * z + 1.0 / k;
  return exponent * 0.6931471805599453 + 2.0 * s * sum;
}

// Coefficients of AS 241, lowest power first: |p - 1/2| <= 0.425; then r = sqrt(-log(tail)) - 1.6 and - 5.
constexpr std::array<double, 8> kA = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
                                      4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
constexpr std::array<double, 8> kB = {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
                                      2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3};
constexpr std::array<double, 8> kC = {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
                                      1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr std::array<double, 8> kD = {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
                                      1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9};
constexpr std::array<double, 8> kE = {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
                                      2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr std::array<double, 8> kF = {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
                                      7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15};

double word_to_normal(uint32_t word) { return normal_quantile((static_cast<double>(word) + 0.5) * 0x1p-32); }

}  // namespace

double normal_quantile(double p) {
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(kA, r) / polynomial(kB, r);
  }
  const double tail = std::sqrt(-basic_log(q < 0 ? p : 1.0 - p));
  const double value = tail <= 5.0 ? polynomial(kC, tail - 1.6) / polynomial(kD, tail - 1.6) : polynomial(kE, tail - 5.0) / polynomial(kF, tail - 5.0);
  return q < 0 ? -value : value;
}

double normal_at(uint64_t index, uint64_t seed) { return word_to_normal(philox(index / 4, seed)[index % 4]); }

void fill_normal(float* out, uint64_t first, uint64_t count, uint64_t seed, double sigma) {
  PhiloxBlock block{};
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t index = first + i;
    if (i == 0 || index % 4 == 0) block = philox(index / 4, seed);
    out[i] = static_cast<float>(sigma * word_to_normal(block[index % 4]));
  }
}

}  // namespace moe
