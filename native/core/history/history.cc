#include "core/history/history.h"

#include <limits>

#include "core/error/error.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"

namespace moe {
namespace {

void require_below(const char* field, int64_t value, int64_t limit) {
  if (value >= 0 && value < limit) return;
  throw Error(code::kOutOfBounds, std::string(field) + " is not in this batch",
              {{"subject", std::string(field)}, {"expected", "0 to " + std::to_string(limit - 1)}, {"found", std::to_string(value)}});
}

/// Codes and scales as bytes, and the integer dot of every block in quarters.
DotHistory blocks_of(const uint8_t* activation_packed, const uint8_t* activation_sf, const uint8_t* weight_packed, const uint8_t* weight_sf, int64_t k, std::vector<int32_t>& quarters) {
  DotHistory out;
  out.activation_sf.assign(activation_sf, activation_sf + k / 16);
  out.weight_sf.assign(weight_sf, weight_sf + k / 16);
  quarters.assign(k / 16, 0);
  for (int64_t i = 0; i < k; ++i) {
    const uint8_t a = fp4_at(activation_packed, i);
    const uint8_t w = fp4_at(weight_packed, i);
    out.activation_codes.push_back(a);
    out.weight_codes.push_back(w);
    quarters[i / 16] += kE2m1Halves[a] * kE2m1Halves[w];
  }
  for (const int32_t quarter : quarters) out.dot.push_back(quarter * 0.25);
  return out;
}

}  // namespace

void check_history_request(const HistoryRequest& request, int64_t tokens, int64_t hidden, int64_t top_k, int64_t intermediate) {
  require_below("token", request.token, tokens);
  require_below("column", request.column, hidden);
  if (request.slot < 0 && request.element < 0) return;
  require_below("slot", request.slot, top_k);
  require_below("element", request.element, intermediate);
}

DotHistory trace_dot(const uint8_t* activation_packed, const uint8_t* activation_sf, const uint8_t* weight_packed, const uint8_t* weight_sf, int64_t k, int64_t slice_blocks) {
  std::vector<int32_t> quarters;
  DotHistory out = blocks_of(activation_packed, activation_sf, weight_packed, weight_sf, k, quarters);
  float acc = 0;
  for (int64_t block = 0; block < k / 16; ++block) {
    if (block % slice_blocks == 0) acc = 0;
    const float term = static_cast<float>(quarters[block]) * (e4m3_decode(weight_sf[block]) * 0.25F * e4m3_decode(activation_sf[block]));
    acc += term;
    out.term.push_back(term);
    out.sum.push_back(acc);
  }
  return out;
}

DotHistory trace_exact_dot(const uint8_t* activation_packed, const uint8_t* activation_sf, const uint8_t* weight_packed, const uint8_t* weight_sf, int64_t k) {
  constexpr double kUnit = 1.0 / (1 << 20);  // halves of codes times scales in steps of 2^-9, both squared
  std::vector<int32_t> quarters;
  DotHistory out = blocks_of(activation_packed, activation_sf, weight_packed, weight_sf, k, quarters);
  int64_t sum = 0;
  bool nan = false;
  for (int64_t block = 0; block < k / 16; ++block) {
    nan = nan || e4m3_is_nan(activation_sf[block]) || e4m3_is_nan(weight_sf[block]);
    if (nan) {
      out.term.push_back(std::numeric_limits<double>::quiet_NaN());
      out.sum.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const auto units = [](uint8_t sf) { return static_cast<int64_t>(e4m3_decode(sf) * 512.0F); };
    const int64_t term = quarters[block] * (units(activation_sf[block]) * units(weight_sf[block]));
    sum += term;
    out.term.push_back(static_cast<double>(term) * kUnit);
    out.sum.push_back(static_cast<double>(sum) * kUnit);
  }
  return out;
}

}  // namespace moe
