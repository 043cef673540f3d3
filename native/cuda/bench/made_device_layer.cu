#include "cuda/bench/made_device_layer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "core/formats/bf16.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::bench {
namespace {

__global__ void fill_kernel(uint8_t* out, size_t count, uint64_t seed, uint32_t base, uint32_t range) {
  for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < count; i += static_cast<size_t>(gridDim.x) * blockDim.x) {
    uint64_t z = seed + i * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    out[i] = static_cast<uint8_t>(base + static_cast<uint32_t>(z >> 40U) % range);
  }
}

void fill(const Memory& memory, uint64_t seed, uint32_t base, uint32_t range) {
  fill_kernel<<<1024, 256>>>(memory.as<uint8_t>(), memory.bytes(), seed, base, range);
  check_launch("filling weights");
}

__global__ void __launch_bounds__(512) streamer_kernel(const uint4* data, size_t count, uint32_t* sink) {
  constexpr int kInFlight = 8;
  uint32_t sum = 0;
  const size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < count; i += kInFlight * step) {
    uint4 words[kInFlight];
#pragma unroll
    for (int j = 0; j < kInFlight; ++j) words[j] = i + j * step < count ? __ldcs(data + i + j * step) : make_uint4(0, 0, 0, 0);
#pragma unroll
    for (int j = 0; j < kInFlight; ++j) sum ^= words[j].x ^ words[j].y ^ words[j].z ^ words[j].w;
  }
  if (sum == 0x12345678U) *sink = sum;  // keeps the loads
}

size_t plane_bytes(int n, int k) { return static_cast<size_t>((n + 127) / 128) * ((k + 63) / 64) * 512; }

}  // namespace

Memory::Memory(size_t bytes) : bytes_(bytes) { check_cuda(cudaMalloc(&data_, bytes), "allocating for the bench"); }
Memory::~Memory() { cudaFree(data_); }

MadeLayer::MadeLayer(const LayerShape& shape, uint64_t seed)
    : shape_(shape),
      w13_(static_cast<size_t>(shape.experts) * shape.fc1_rows() * shape.hidden / 2),
      w2_(static_cast<size_t>(shape.experts) * shape.hidden * shape.intermediate / 2),
      w13_scales_(shape.experts * plane_bytes(shape.fc1_rows(), shape.hidden)),
      w2_scales_(shape.experts * plane_bytes(shape.hidden, shape.intermediate)),
      factors_(sizeof(float) * 6 * static_cast<size_t>(shape.experts)) {
  fill(w13_, seed, 0, 256);
  fill(w2_, seed + 1, 0, 256);
  fill(w13_scales_, seed + 2, 0x28, 24);
  fill(w2_scales_, seed + 3, 0x28, 24);
  // Mean square of a uniform code is 9.4, of these scales about 1; x / gs has deviation 1 / gs.
  const float gs1 = 4.5F / 2688.0F;
  const float gs2 = 2.0F / 2688.0F;
  fc1_multiplier = gs1 / (3.0F * std::sqrt(static_cast<float>(shape.hidden)));
  fc2_multiplier = gs2 / (3.0F * std::sqrt(static_cast<float>(shape.intermediate)));
  const float values[6] = {gs1, fc1_multiplier, gs2, fc2_multiplier, 1.0F / gs1, 1.0F / gs2};
  std::vector<float> host;
  for (const float value : values) host.insert(host.end(), shape.experts, value);
  check_cuda(cudaMemcpy(factors_.as<float>(), host.data(), host.size() * sizeof(float), cudaMemcpyHostToDevice), "copying scales");
  const auto factor = [&](int i) { return factors_.as<float>() + static_cast<size_t>(i) * shape.experts; };

  cudaDeviceProp device{};
  check_cuda(cudaGetDeviceProperties(&device, 0), "asking for the device");
  layer_.hidden = shape.hidden;
  layer_.intermediate = shape.intermediate;
  layer_.experts = shape.experts;
  layer_.top_k = shape.top_k;
  layer_.gated = shape.gated();
  layer_.activation = shape.activation;
  layer_.sm_count = device.multiProcessorCount;
  layer_.compute_major = device.major;
  layer_.compute_minor = device.minor;
  layer_.shared_bytes_per_block = static_cast<int>(device.sharedMemPerBlockOptin);
  layer_.b12x.w13 = {w13_.as<uint8_t>(), w13_scales_.as<uint8_t>(), shape.fc1_rows(), shape.hidden, plane_bytes(shape.fc1_rows(), shape.hidden)};
  layer_.b12x.w2 = {w2_.as<uint8_t>(), w2_scales_.as<uint8_t>(), shape.hidden, shape.intermediate, plane_bytes(shape.hidden, shape.intermediate)};
  layer_.b12x.fc1_quantizer = factor(0);
  layer_.b12x.fc1_multiplier = factor(1);
  layer_.b12x.fc2_quantizer = factor(2);
  layer_.b12x.fc2_multiplier = factor(3);
  layer_.b12x.shared_fc1_quantizer = true;
  layer_.cutlass = layer_.b12x;
  layer_.cutlass.fc1_quantizer = factor(4);
  layer_.cutlass.fc2_quantizer = factor(5);
}

double MadeLayer::expert_bytes() const { return 0.5625 * shape_.hidden * (shape_.fc1_rows() + shape_.intermediate); }

MadeBatch make_batch(const LayerShape& shape, int tokens, uint64_t seed, double skew) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  MadeBatch batch;
  std::vector<bool> used(shape.experts);
  std::uniform_real_distribution<double> uniform(1e-12, 1.0);
  std::vector<std::pair<double, int>> keys(shape.experts);
  for (int t = 0; t < tokens; ++t) {
    // Weighted draw without replacement: the k largest log(u) / weight.
    for (int e = 0; e < shape.experts; ++e) keys[e] = {std::log(uniform(random)) * std::pow(e + 1.0, skew), e};
    std::partial_sort(keys.begin(), keys.begin() + shape.top_k, keys.end(), std::greater<>());
    float total = 0;
    for (int s = 0; s < shape.top_k; ++s) {
      batch.topk_ids.push_back(keys[s].second);
      used[keys[s].second] = true;
      batch.topk_weights.push_back(static_cast<float>(uniform(random)) + 0.1F);
      total += batch.topk_weights.back();
    }
    for (int s = 0; s < shape.top_k; ++s) batch.topk_weights[batch.topk_weights.size() - 1 - s] /= total;
  }
  batch.unique_experts = static_cast<int>(std::count(used.begin(), used.end(), true));
  batch.x.resize(static_cast<size_t>(tokens) * shape.hidden);
  for (uint16_t& value : batch.x) value = bf16_encode(normal(random));
  return batch;
}

void enqueue_streamer(const void* data, size_t bytes, uint32_t* sink, int sm_count, cudaStream_t stream) {
  streamer_kernel<<<static_cast<unsigned>(sm_count * 4), 512, 0, stream>>>(static_cast<const uint4*>(data), bytes / 16, sink);
  check_launch("streamer");
}

}  // namespace moe::cuda::bench
