// Standard normal numbers with the same bits on every machine: Philox words through the inverse distribution function,
// made of fp64 + - * / and sqrt only (all exactly rounded by IEEE 754), no libm.
#pragma once

#include <cstdint>

namespace moe {

/// Quantile of the standard normal distribution, relative error about 1e-15, for 0 < p < 1.
/// Source: Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37, 1988.
double normal_quantile(double p);

/// Element `index` of the stream of `seed`: quantile of (w + 0.5) / 2^32, w = word index % 4 of Philox block index / 4.
/// |x| < 6.4.
double normal_at(uint64_t index, uint64_t seed);

/// out[i] = sigma * element (first + i), rounded once to fp32.
void fill_normal(float* out, uint64_t first, uint64_t count, uint64_t seed, double sigma);

}  // namespace moe
