// A layer's tensors in device memory, uploaded once.
#pragma once

#include <memory>
#include <vector>

#include "core/provider/layer_tensors.h"
#include "cuda/launch.h"
#include "cuda/provider/checked.h"
#include "cuda/provider/device.h"
#include "cuda/provider/families.h"

namespace moe::cuda {

class UploadedLayer {
 public:
  /// Checks the description and copies w13, w2, both scale sets and the per-expert scalars; the FP4 bytes are there once for
  /// both paths. @throws Error as check_layer_desc, b12x_scales and cutlass_scales; `unsupported` for a contract that only the
  /// reference provider answers; `out-of-memory` naming the tensor, its size and what is free.
  UploadedLayer(Runtime& runtime, const moe_layer_desc& desc, const DeviceFacts& facts, const Settings& settings);

  const DeviceLayer& layer() const { return layer_; }
  /// Device memory of the tensors.
  uint64_t bytes() const;

 private:
  DevicePath upload(const PathScales& scales, const std::string& prefix, const DevicePath* shared);
  const uint8_t* copy(const void* host, size_t bytes, const std::string& what);
  const float* copy(const std::vector<float>& values, const std::string& what);

  Runtime& runtime_;
  DeviceLayer layer_;
  std::vector<DeviceMemory> memory_;
};

}  // namespace moe::cuda
