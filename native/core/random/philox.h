// Philox4x32-10, a counter-based generator: block n of a key is a pure function, so any element can be made on any
// thread, in any order, with the same bits everywhere.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; known answers of Random123.
#pragma once

#include <array>
#include <cstdint>

namespace moe {

using PhiloxBlock = std::array<uint32_t, 4>;

/// Four random words for a 128-bit counter and a 64-bit key.
constexpr PhiloxBlock philox(PhiloxBlock counter, uint64_t key) {
  auto key0 = static_cast<uint32_t>(key);
  auto key1 = static_cast<uint32_t>(key >> 32U);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(counter[0]) * 0xD2511F53U;
    const uint64_t product1 = static_cast<uint64_t>(counter[2]) * 0xCD9E8D57U;
    counter = {static_cast<uint32_t>(product1 >> 32U) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32U) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9U;  // golden ratio
    key1 += 0xBB67AE85U;  // sqrt(3) - 1
  }
  return counter;
}

/// Block `index` of a seed.
constexpr PhiloxBlock philox(uint64_t index, uint64_t seed) {
  return philox(PhiloxBlock{static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32U), 0U, 0U}, seed);
}

}  // namespace moe
