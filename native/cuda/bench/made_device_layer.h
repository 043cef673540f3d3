// A random layer in device memory, for timing a kernel family without a checkpoint.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "cuda/launch.h"

namespace moe::cuda::bench {

struct LayerShape {
  int hidden = 2048, intermediate = 768, experts = 128, top_k = 8;
  int activation = MOE_SILU;
  bool gated() const { return activation != MOE_RELU2; }
  int fc1_rows() const { return gated() ? 2 * intermediate : intermediate; }
};

/// Device memory that is freed with its owner. @throws Error `out-of-memory`
class Memory {
 public:
  explicit Memory(size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

/// Uniform E2M1 codes, E4M3 scales from 0.25 to 1.875, one input scale for all experts such that N(0, 1) activations fill
/// E4M3's range as ModelOpt's amax / 2688 does, and multipliers that keep FC1 and FC2 near 1. Both paths have the same bytes.
class MadeLayer {
 public:
  MadeLayer(const LayerShape& shape, uint64_t seed);
  const DeviceLayer& device() const { return layer_; }
  const LayerShape& shape() const { return shape_; }
  /// Bytes of FP4 codes and scales of one expert: what must be read of it.
  double expert_bytes() const;
  float fc1_multiplier = 0, fc2_multiplier = 0;

 private:
  LayerShape shape_;
  DeviceLayer layer_;
  Memory w13_, w2_, w13_scales_, w2_scales_, factors_;
};

/// topk_ids [T, k]: distinct experts of each token, uniform; weights [T, k] sum to 1; x [T, H] bf16 N(0, 1).
struct MadeBatch {
  std::vector<int32_t> topk_ids;
  std::vector<float> topk_weights;
  std::vector<uint16_t> x;
  int unique_experts = 0;
};
/// @param skew 0 = uniform; above it, expert e is drawn with weight (e + 1)^-skew, so that many stay empty
MadeBatch make_batch(const LayerShape& shape, int tokens, uint64_t seed, double skew);

/// Reads `bytes` as the streaming peer: 16-byte loads, every SM, nothing written.
void enqueue_streamer(const void* data, size_t bytes, uint32_t* sink, int sm_count, cudaStream_t stream);

}  // namespace moe::cuda::bench
