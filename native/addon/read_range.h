// Copying a byte range out to JavaScript, with the limit that all read() calls share.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <utility>

#include "addon/arguments.h"

namespace moe::addon {

inline constexpr int64_t kMaxRead = 64LL << 20;

/// (offset, length) of a read call; length at most 64 MiB. Throws `usage`, or `out-of-bounds` where the range leaves `size`.
inline std::pair<uint64_t, uint64_t> read_range(const Napi::CallbackInfo& info, uint64_t size, const std::string& subject) {
  const auto offset = static_cast<uint64_t>(to_integer(info[0], "offset", 0, 9007199254740991));
  const auto length = static_cast<uint64_t>(to_integer(info[1], "length", 0, kMaxRead));
  if (offset > size || length > size - offset) {
    const std::string found = "bytes " + std::to_string(offset) + " + " + std::to_string(length);
    throw Error(code::kOutOfBounds, subject + ": " + found + " leave its " + std::to_string(size) + " bytes", {{"subject", subject}, {"expected", "a range inside " + std::to_string(size) + " bytes"}, {"found", found}});
  }
  return {offset, length};
}

}  // namespace moe::addon
