// What a family of kernels throws when its own copy of a layer does not fit. How much is free only the host side says.
#pragma once

#include <cstdint>
#include <string>

#include "core/error/error.h"

namespace moe::cuda {

/// Fact of that error: bytes of the whole copy, a number.
inline constexpr char kCopyBytes[] = "copyBytes";

/// The error for KernelFamily::prepare to throw; the host side adds the family's name and what is free.
/// @param bytes of the whole copy, not of the piece that failed: the pieces before it are freed again
/// @param what the copy is, in words. @param remedy what to do
inline Error no_memory_for_copy(uint64_t bytes, const std::string& what, const std::string& remedy) {
  return {code::kOutOfMemory, what, {{kCopyBytes, static_cast<double>(bytes)}, {"remedy", remedy}}};
}

}  // namespace moe::cuda
