// Sizes that the b12x kernels are compiled for.
#pragma once

namespace moe::cuda::b12x {

inline constexpr int kTileN = 128;       ///< columns of a block of threads
inline constexpr int kSliceWidth = 128;  ///< of I: what FC2 sums before it rounds
inline constexpr int kMaxTileM = 128;

}  // namespace moe::cuda::b12x
