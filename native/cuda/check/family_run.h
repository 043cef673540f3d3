// Runs of a family over one set of device buffers.
#pragma once

#include "cuda/check/random_layer.h"
#include "cuda/check/reference.h"

namespace moe::cuda::checking {

class FamilyRun {
 public:
  FamilyRun(const KernelFamily& family, const FamilyLayer* own, const HostBatch& batch, const DeviceLayer& layer, const RunShape& shape, bool poison);

  /// With all taps.
  Tapped tapped();
  /// y without taps.
  std::vector<uint16_t> plain();
  /// y without taps from a graph captured once and replayed twice.
  std::vector<uint16_t> from_graph();
  /// y without taps and without a fixed order.
  std::vector<uint16_t> unordered();
  bool shared_x() const { return shared_x_; }

 private:
  RunShape shape_for(int taps, bool deterministic) const;
  void prepare(const RunShape& shape);
  void enqueue(const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream) const;
  std::vector<uint16_t> run(const RunShape& shape);

  const KernelFamily& family_;
  const FamilyLayer* own_;
  const DeviceLayer& layer_;
  RunShape shape_;
  bool poison_, shared_x_;
  DeviceBuffer<uint16_t> x_, y_;
  DeviceBuffer<int32_t> topk_ids_;
  DeviceBuffer<float> topk_weights_;
  DeviceBuffer<uint8_t> workspace_;
  DeviceBatch batch_;
};

}  // namespace moe::cuda::checking
