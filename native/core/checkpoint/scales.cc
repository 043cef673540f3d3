#include "core/checkpoint/scales.h"

#include <array>
#include <cmath>
#include <cstdio>

#include "core/error/error.h"
#include "core/formats/e4m3.h"

namespace moe {

std::vector<float> small_scales(const std::vector<float>& stored, Convention convention, const std::string& projection, const std::string& field) {
  std::vector<float> small(stored.size());
  for (size_t expert = 0; expert < stored.size(); ++expert) {
    const float inverse = 1.0F / stored[expert];
    const auto good = [](float x) { return std::isfinite(x) && x > 0; };
    if (!good(stored[expert]) || !good(inverse)) {
      char found[32];
      std::snprintf(found, sizeof found, "%.9g", static_cast<double>(stored[expert]));
      const std::string where = field + " of expert " + std::to_string(expert) + "'s " + projection + " projection";
      throw Error(code::kBadScale, where + " must be finite and positive, found " + found,
                  {{"subject", where}, {"expected", "a finite positive fp32 number with a finite inverse"}, {"found", std::string(found)}, {"remedy", "export the checkpoint again"},
                   {"projection", projection}, {"field", field}, {"expert", static_cast<double>(expert)}});
    }
    small[expert] = convention == Convention::kSmall ? stored[expert] : inverse;
  }
  return small;
}

void check_block_scales(const uint8_t* bytes, int64_t rows, int64_t columns, const std::string& projection, int64_t expert) {
  const int64_t count = rows * columns;
  uint8_t largest = 0;  // every bad byte is 0x7F or above
  for (int64_t i = 0; i < count; ++i) largest = bytes[i] > largest ? bytes[i] : largest;
  if (largest < kE4m3NaN) return;
  int64_t at = 0;
  while (bytes[at] < kE4m3NaN) ++at;
  char found[32];
  std::snprintf(found, sizeof found, "%s (0x%02X)", e4m3_is_nan(bytes[at]) ? "NaN" : "a negative value", bytes[at]);
  const int64_t row = at / columns;
  const int64_t column = at % columns;
  const std::string where = "block scale [" + std::to_string(row) + ", " + std::to_string(column) + "] of expert " + std::to_string(expert) + "'s " + projection + " projection";
  throw Error(code::kBadScale, where + " is " + found,
              {{"subject", where}, {"expected", "an E4M3 value from 0 to 448 (0x00 to 0x7E)"}, {"found", std::string(found)}, {"remedy", "export the checkpoint again"},
               {"projection", projection}, {"field", std::string("weight_scale")}, {"expert", static_cast<double>(expert)}, {"row", static_cast<double>(row)}, {"column", static_cast<double>(column)}});
}

int64_t rescale_block_scales(uint8_t* bytes, int64_t count, float ratio) {
  std::array<uint8_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) table[byte] = e4m3_encode(e4m3_decode(static_cast<uint8_t>(byte)) * ratio);
  int64_t changed = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t rescaled = table[bytes[i]];
    changed += rescaled != bytes[i] ? 1 : 0;
    bytes[i] = rescaled;
  }
  return changed;
}

}  // namespace moe
