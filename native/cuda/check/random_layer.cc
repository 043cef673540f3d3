#include "cuda/check/random_layer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/formats/bf16.h"
#include "core/layout/scale_layout.h"
#include "core/parallel/parallel.h"
#include "core/random/philox.h"

namespace moe::cuda::checking {
namespace {

constexpr int64_t kBytesAStep = 1 << 16;

/// Stream `stream` of random words.
struct Words {
  uint64_t stream;
  uint32_t at(uint64_t index) const { return philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32U), 0, 0}, stream)[0]; }
  double uniform(uint64_t index) const { return (at(index) + 0.5) / 4294967296.0; }
};

template <class Make>
std::vector<uint8_t> random_bytes(size_t count, const Make& make) {
  std::vector<uint8_t> out(count);
  const auto total = static_cast<int64_t>(count);
  parallel_for((total + kBytesAStep - 1) / kBytesAStep, Task{}, [&](int64_t step) {
    for (int64_t i = step * kBytesAStep; i < std::min(total, (step + 1) * kBytesAStep); ++i) out[static_cast<size_t>(i)] = make(static_cast<uint64_t>(i));
  });
  return out;
}

HostOperand make_operand(int experts, int n, int k, uint64_t seed) {
  HostOperand out;
  out.n = n;
  out.k = k;
  const size_t elements = static_cast<size_t>(experts) * static_cast<size_t>(n) * static_cast<size_t>(k);
  const Words codes{seed};
  const Words scales{seed + 1};
  out.packed = random_bytes(elements / 2, [&](uint64_t i) { return static_cast<uint8_t>(codes.at(i)); });
  out.scales = random_bytes(elements / 16, [&](uint64_t i) {
    const uint32_t word = scales.at(i);
    if (word % 64 == 0) return static_cast<uint8_t>(word >> 8U & 7U);  // zero or subnormal
    return static_cast<uint8_t>(0x28U + (word >> 8U) % 0x21U);         // 0.25 .. 4
  });
  const Swizzled128x4 layout(n, k / 16);
  out.plane_bytes = static_cast<size_t>(layout.bytes());
  out.swizzled.resize(out.plane_bytes * static_cast<size_t>(experts));
  swizzle_128x4(out.scales.data(), experts, n, k / 16, out.swizzled.data());
  return out;
}

/// [E] values near `value`, all the same where `shared`.
std::vector<float> near(double value, int experts, bool shared, uint64_t seed) {
  const Words words{seed};
  std::vector<float> out(static_cast<size_t>(experts));
  for (size_t e = 0; e < out.size(); ++e) out[e] = static_cast<float>(value * (shared ? 1.0 : 0.75 + 0.5 * words.uniform(e)));
  return out;
}

std::vector<float> inverse(const std::vector<float>& values) {
  std::vector<float> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), [](float value) { return 1.0F / value; });
  return out;
}

std::vector<float> product(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> out(a.size());
  std::transform(a.begin(), a.end(), b.begin(), out.begin(), [](float left, float right) { return left * right; });
  return out;
}

uint64_t seed_of(const Case& one) {
  uint64_t seed = 20261123;
  for (const char c : one.name) seed = seed * 1099511628211ULL + static_cast<uint8_t>(c);
  return seed;
}

}  // namespace

HostLayer make_layer(const Case& one) {
  const uint64_t seed = seed_of(one);
  HostLayer out;
  out.one = one;
  out.w13 = make_operand(one.experts, (one.gated() ? 2 : 1) * one.intermediate, one.hidden, seed);
  out.w2 = make_operand(one.experts, one.hidden, one.intermediate, seed + 2);
  // Codes have root mean square 2.93, scales about 1.7: a weight multiplier of 1 / (5 sqrt(K)) keeps magnitudes near 1.
  const std::vector<float> s1 = near(1.5 / (5.0 * std::sqrt(one.hidden)), one.experts, false, seed + 4);
  const std::vector<float> s2 = near(1.0 / (5.0 * std::sqrt(one.intermediate)), one.experts, false, seed + 5);
  const std::vector<float> a1 = near(5.0 / 2688.0, one.experts, one.shared_scales, seed + 6);
  const std::vector<float> a2 = near(20.0 / 2688.0, one.experts, false, seed + 7);
  out.b12x = {a1, product(s1, a1), a2, product(s2, a2)};
  out.cutlass = {inverse(a1), product(s1, a1), inverse(a2), product(s2, a2)};
  return out;
}

HostBatch make_batch(const Case& one) {
  const uint64_t seed = seed_of(one) + 100;
  const auto tokens = static_cast<size_t>(one.tokens);
  const auto hidden = static_cast<size_t>(one.hidden);
  const auto top_k = static_cast<size_t>(one.top_k);
  HostBatch out;
  out.x.resize(tokens * hidden);
  const Words words{seed};
  for (size_t i = 0; i < out.x.size(); ++i) {
    const bool zero = (i / 16) % 37 == 5 || (i / hidden == 2 && one.tokens > 4);
    // The sum of three uniforms is near enough to a normal value for a batch of activations.
    const double value = 2.0 * (words.uniform(3 * i) + words.uniform(3 * i + 1) + words.uniform(3 * i + 2) - 1.5);
    out.x[i] = zero ? uint16_t{0} : bf16_encode(static_cast<float>(value));
  }
  const Words picks{seed + 1};
  std::vector<int32_t> order(static_cast<size_t>(one.experts));
  uint64_t next = 0;
  for (size_t t = 0; t < tokens; ++t) {
    const bool crowd = one.routing == Routing::kSkewed;
    const auto usable = static_cast<size_t>(!crowd ? one.experts : t % 10 != 9 ? std::min(one.experts, one.top_k + 1) : std::max(one.top_k, one.experts / 2));
    std::iota(order.begin(), order.end(), 0);
    double sum = 0;
    for (size_t slot = 0; slot < top_k; ++slot) {
      std::swap(order[slot], order[slot + picks.at(next++) % (usable - slot)]);
      out.topk_ids.push_back(order[slot]);
      out.topk_weights.push_back(static_cast<float>(0.05 + picks.uniform(next++)));
      sum += static_cast<double>(out.topk_weights.back());
    }
    for (size_t slot = 0; slot < top_k; ++slot) out.topk_weights[t * top_k + slot] /= static_cast<float>(sum);
  }
  return out;
}

DeviceOperand UploadedLayer::upload(const HostOperand& host) {
  bytes_.emplace_back(host.packed);
  const uint8_t* packed = bytes_.back().get();
  bytes_.emplace_back(host.swizzled);
  return {packed, bytes_.back().get(), host.n, host.k, host.plane_bytes};
}

const float* UploadedLayer::upload(const std::vector<float>& values) {
  floats_.emplace_back(values);
  return floats_.back().get();
}

DevicePath UploadedLayer::upload(const HostPath& host) {
  DevicePath out;
  out.w13 = w13_;
  out.w2 = w2_;
  out.fc1_quantizer = upload(host.fc1_quantizer);
  out.fc1_multiplier = upload(host.fc1_multiplier);
  out.fc2_quantizer = upload(host.fc2_quantizer);
  out.fc2_multiplier = upload(host.fc2_multiplier);
  out.shared_fc1_quantizer = std::all_of(host.fc1_quantizer.begin(), host.fc1_quantizer.end(), [&](float value) { return value == host.fc1_quantizer.front(); });
  return out;
}

UploadedLayer::UploadedLayer(const HostLayer& host) {
  w13_ = upload(host.w13);
  w2_ = upload(host.w2);
  layer_.hidden = host.one.hidden;
  layer_.intermediate = host.one.intermediate;
  layer_.experts = host.one.experts;
  layer_.top_k = host.one.top_k;
  layer_.gated = host.one.gated();
  layer_.activation = host.one.activation;
  layer_.swiglu_alpha = host.swiglu_alpha;
  layer_.swiglu_limit = host.swiglu_limit;
  layer_.b12x = upload(host.b12x);
  layer_.cutlass = upload(host.cutlass);
  int device = 0;
  check_cuda(cudaGetDevice(&device), "choice of a device");
  const auto attribute = [&](cudaDeviceAttr name) {
    int value = 0;
    check_cuda(cudaDeviceGetAttribute(&value, name, device), "query of the device");
    return value;
  };
  layer_.sm_count = attribute(cudaDevAttrMultiProcessorCount);
  layer_.compute_major = attribute(cudaDevAttrComputeCapabilityMajor);
  layer_.compute_minor = attribute(cudaDevAttrComputeCapabilityMinor);
  layer_.shared_bytes_per_block = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
}

}  // namespace moe::cuda::checking
