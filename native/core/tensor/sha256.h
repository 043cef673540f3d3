// SHA-256 (FIPS 180-4): the identity of a plane's bytes.
#pragma once

#include <cstdint>
#include <string>

namespace moe {

/// Lower-case hex digest of `bytes` bytes.
std::string sha256_hex(const uint8_t* data, uint64_t bytes);

}  // namespace moe
