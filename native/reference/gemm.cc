#include "reference/gemm.h"

#include <algorithm>
#include <vector>

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/parallel/pool.h"

namespace moe::reference {
namespace {

constexpr int64_t kWeightRowsPerTask = 32;

/// Weight row as code * SF, exact in fp64.
void decode_row(const uint8_t* packed, const uint8_t* scales, int64_t k, double* out) {
  for (int64_t i = 0; i < k; ++i) out[i] = static_cast<double>(e2m1_decode(fp4_at(packed, i))) * static_cast<double>(e4m3_decode(scales[i / 16]));
}

/// Eight partial sums in a fixed order: fp64 rounding stays near 1e-16 and the loop can be vectorised.
double dot(const double* a, const double* b, int64_t k) {
  double sums[8] = {};
  for (int64_t i = 0; i < k; i += 8) {
    for (int64_t j = 0; j < 8; ++j) sums[j] += a[i + j] * b[i + j];
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace

void apply(const Projection& projection, int64_t n, int64_t k, const Activations& rows, int64_t count, double* out, int64_t stride) {
  const int64_t tasks = (n + kWeightRowsPerTask - 1) / kWeightRowsPerTask;
  run_tasks(tasks, [&](int64_t task) {
    const int64_t end = std::min(n, (task + 1) * kWeightRowsPerTask);
    ExactRows weight(1, rows.quantized != nullptr ? k : 0);
    std::vector<double> plain(rows.plain != nullptr ? k : 0);
    for (int64_t row = task * kWeightRowsPerTask; row < end; ++row) {
      const uint8_t* packed = projection.packed + row * (k / 2);
      const uint8_t* scales = projection.scales + row * (k / 16);
      if (rows.quantized != nullptr) {
        weight.load(0, packed, scales);
        for (int64_t r = 0; r < count; ++r) out[r * stride + row] = exact_dot_value(*rows.quantized, r, weight, 0) * projection.multiplier;
      } else {
        decode_row(packed, scales, k, plain.data());
        for (int64_t r = 0; r < count; ++r) out[r * stride + row] = dot(rows.plain + r * k, plain.data(), k) * projection.multiplier;
      }
    }
  });
}

}  // namespace moe::reference
