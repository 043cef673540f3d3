// A random layer and batch, on the host and on the device.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/check/cases.h"
#include "cuda/check/device_buffer.h"
#include "cuda/launch.h"

namespace moe::cuda::checking {

/// E experts of [n, k]: packed codes, linear scales, and the scales in 128x4 order.
struct HostOperand {
  int n = 0, k = 0;
  std::vector<uint8_t> packed, scales, swizzled;
  size_t plane_bytes = 0;
};

/// The scales of one path, [E] each; meaning as in DevicePath.
struct HostPath {
  std::vector<float> fc1_quantizer, fc1_multiplier, fc2_quantizer, fc2_multiplier;
};

struct HostLayer {
  Case one;
  HostOperand w13, w2;
  HostPath b12x, cutlass;
  float swiglu_alpha = 1.702F, swiglu_limit = 7.0F;
};

struct HostBatch {
  std::vector<uint16_t> x;          ///< bf16 [T, H]; some blocks and one token are zero
  std::vector<int32_t> topk_ids;    ///< [T, k], distinct within a token
  std::vector<float> topk_weights;  ///< [T, k], sum 1 a token
};

/// Codes are any of the 16; block scales lie between 0.25 and 4 but for some subnormals and zeros; multipliers are such
/// that FC1, the activation and y have magnitudes near 1. Same case, same bytes.
HostLayer make_layer(const Case& one);
HostBatch make_batch(const Case& one);

/// The layer in device memory, for as long as this object lives.
class UploadedLayer {
 public:
  explicit UploadedLayer(const HostLayer& host);
  const DeviceLayer& layer() const { return layer_; }

 private:
  DeviceOperand upload(const HostOperand& host);
  const float* upload(const std::vector<float>& values);
  DevicePath upload(const HostPath& host);

  std::vector<DeviceBuffer<uint8_t>> bytes_;
  std::vector<DeviceBuffer<float>> floats_;
  DeviceOperand w13_, w2_;
  DeviceLayer layer_;
};

}  // namespace moe::cuda::checking
