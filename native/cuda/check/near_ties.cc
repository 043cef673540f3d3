#include "cuda/check/near_ties.h"

#include <algorithm>
#include <cmath>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"

namespace moe::cuda::checking {
namespace {

/// Relative. A multiplier takes two rcp.approx (1 ulp = 2^-23 each) and two rounded products (2^-24 each); the product
/// with x rounds once more: less than 4 * 2^-23 in all.
constexpr double kTieWidth = 4.0 / 8388608.0;

bool near(double value, double boundary) { return std::fabs(value - boundary) <= boundary * kTieWidth; }

/// `byte` is a rounding of `value` >= 0 or a neighbour of one at a tie.
bool scale_fits(double value, uint8_t byte) {
  const double capped = std::min(value, static_cast<double>(kE4m3Max));
  const uint8_t nearest = e4m3_encode(capped);
  if (byte == nearest) return true;
  if (byte + 1 != nearest && byte != nearest + 1) return false;
  return near(capped, (static_cast<double>(e4m3_decode(byte)) + static_cast<double>(e4m3_decode(nearest))) / 2);
}

bool code_fits(double value, uint8_t code) {
  const uint8_t nearest = e2m1_encode(value);
  if (code == nearest) return true;
  if ((code & 8U) != (nearest & 8U) || std::abs((code & 7) - (nearest & 7)) != 1) return false;
  return near(std::fabs(value), std::fabs(static_cast<double>(e2m1_decode(code)) + static_cast<double>(e2m1_decode(nearest))) / 2);
}

}  // namespace

BlockDifferences compare_block(const HostQuantizer& how, const float* x, float scale, const uint8_t* codes, uint8_t sf) {
  const float given = how.inverts_scale && scale != 0.0F ? 1.0F / scale : scale;
  const Fp4Block expected = quantize_block(how.quantizer, x, given);
  std::array<uint8_t, 8> packed{};
  pack_codes(expected.codes, packed.data());
  BlockDifferences out;
  if (sf == expected.sf && std::equal(packed.begin(), packed.end(), codes)) return out;
  // One over the step of a scale of 1, in the form that both conventions share.
  const double inverse = how.quantizer == Quantizer::kCutlassFast ? static_cast<double>(given) : 1.0 / static_cast<double>(given);
  double peak = 0;
  for (int i = 0; i < kBlock; ++i) peak = std::max(peak, static_cast<double>(std::fabs(x[i])));
  const double step = static_cast<double>(e4m3_decode(sf));
  if (how.exact || !(step > 0) || !std::isfinite(inverse) || !scale_fits(peak * inverse / 6.0, sf)) {
    out.wrong = 1;
    return out;
  }
  for (int i = 0; i < kBlock; ++i) {
    const uint8_t code = fp4_at(codes, i);
    if (!code_fits(static_cast<double>(x[i]) * inverse / step, code)) {
      ++out.wrong;
    } else if (code != expected.codes[static_cast<size_t>(i)]) {
      ++out.codes;
    }
  }
  return out;
}

}  // namespace moe::cuda::checking
