#include "cuda/bench/sampled_check.h"

#include <cmath>
#include <random>
#include <vector>

#include "core/formats/bf16.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/layout/scale_layout.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::bench {
namespace {

class Nrmse {
 public:
  void add(double value, double expected) {
    error_ += (value - expected) * (value - expected);
    norm_ += expected * expected;
  }
  double result() const { return norm_ > 0 ? std::sqrt(error_ / norm_) : NAN; }

 private:
  double error_ = 0, norm_ = 0;
};

/// One weight row, dequantized without the global scale.
std::vector<double> weight_row(const DeviceOperand& operand, int expert, int row) {
  const size_t row_bytes = static_cast<size_t>(operand.k) / 2;
  std::vector<uint8_t> codes(row_bytes);
  check_cuda(cudaMemcpy(codes.data(), operand.packed + (static_cast<size_t>(expert) * operand.n + row) * row_bytes, row_bytes, cudaMemcpyDeviceToHost), "reading weights");
  const int64_t k_tiles = (operand.k + 63) / 64;
  // The 128 rows' scale tiles of this row.
  std::vector<uint8_t> scales(k_tiles * 512);
  check_cuda(cudaMemcpy(scales.data(), operand.scales + expert * operand.scale_plane_bytes + row / 128 * k_tiles * 512, scales.size(), cudaMemcpyDeviceToHost), "reading scales");
  std::vector<double> values(operand.k);
  for (int k = 0; k < operand.k; ++k) values[k] = static_cast<double>(e2m1_decode(fp4_at(codes.data(), k))) * e4m3_decode(scales[offset_128x4(row % 128, k / 16, k_tiles)]);
  return values;
}

double dot(const std::vector<double>& weights, const uint8_t* codes, const uint8_t* scales) {
  double sum = 0;
  for (size_t k = 0; k < weights.size(); ++k) sum += weights[k] * e2m1_decode(fp4_at(codes, static_cast<int64_t>(k))) * e4m3_decode(scales[k / 16]);
  return sum;
}

}  // namespace

SampledErrors check_samples(const MadeLayer& layer, const MadeBatch& batch, const Taps& taps, int samples, uint64_t seed) {
  const LayerShape& shape = layer.shape();
  const DevicePath& path = layer.device().b12x;
  std::mt19937_64 random(seed);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  const int64_t pairs = static_cast<int64_t>(batch.topk_ids.size());
  Nrmse fc1, act, fc2, y;
  for (int i = 0; i < samples; ++i) {
    const int64_t pair = below(pairs);
    const int64_t token = pair / shape.top_k;
    const int expert = batch.topk_ids[pair];
    const int row1 = static_cast<int>(below(shape.fc1_rows()));
    fc1.add(taps.fc1[pair * shape.fc1_rows() + row1],
            dot(weight_row(path.w13, expert, row1), taps.x_q + token * shape.hidden / 2, taps.x_sf + token * shape.hidden / 16) * layer.fc1_multiplier);
    const int64_t column = below(shape.intermediate);
    const double gs2 = static_cast<double>(2.0F / 2688.0F);
    act.add(e2m1_decode(fp4_at(taps.act_q + pair * shape.intermediate / 2, column)) * e4m3_decode(taps.act_sf[(pair * shape.intermediate + column) / 16]) * gs2, taps.act[pair * shape.intermediate + column]);
    const int row2 = static_cast<int>(below(shape.hidden));
    fc2.add(taps.fc2[pair * shape.hidden + row2],
            dot(weight_row(path.w2, expert, row2), taps.act_q + pair * shape.intermediate / 2, taps.act_sf + pair * shape.intermediate / 16) * layer.fc2_multiplier);
    double sum = 0;
    for (int64_t slot = 0; slot < shape.top_k; ++slot) sum += static_cast<double>(batch.topk_weights[token * shape.top_k + slot]) * taps.fc2[(token * shape.top_k + slot) * shape.hidden + row2];
    y.add(bf16_decode(taps.y[token * shape.hidden + row2]), sum);
  }
  return {fc1.result(), act.result(), fc2.result(), y.result()};
}

}  // namespace moe::cuda::bench
