// cutlass-sm90: the CUTLASS path on Hopper, bf16 MMA over exactly upcast operands.
#include <memory>

#include "cuda/cutlass/device_memory.h"
#include "cuda/cutlass/expert_gemm.h"
#include "cuda/cutlass/operands.h"
#include "cuda/cutlass/pipeline.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda {
namespace {

using namespace cutlass_path;

/// The weights as images for expert_gemm.h: a second copy of codes and scales, and padding.
struct WeightImages final : FamilyLayer {
  DeviceMemory w13, w2;
  uint64_t size = 0;
  uint64_t bytes() const override { return size; }
};

uint64_t bytes_of(const DeviceOperand& weights, bool gated, int experts) {
  return static_cast<uint64_t>(experts) * static_cast<uint64_t>(image_bytes(weights.n, weights.k, gated));
}

void fill(const DeviceOperand& weights, bool gated, int experts, uint8_t* images) {
  check_cuda(cudaMemsetAsync(images, 0, bytes_of(weights, gated, experts), nullptr), "clearing the weight images");
  enqueue_weight_images(weights, gated, experts, images, nullptr);
}

Body body_of(const FamilyLayer* own) {
  const auto& weights = *static_cast<const WeightImages*>(own);
  Body body;
  body.w13_images = weights.w13.get();
  body.w2_images = weights.w2.get();
  return body;
}

class Sm90 final : public KernelFamily {
 public:
  const char* name() const override { return "cutlass-sm90"; }

  const char* refuses(const DeviceLayer& layer, const RunShape& shape) const override {
    if (layer.compute_major != 9) return "its GEMMs are compiled for Hopper (sm_90a) only";
    if (layer.experts > kMaxExperts) return "its grouped GEMM takes at most 512 experts";
    return cutlass_path::refuses(layer, shape);
  }

  FamilyLayer* prepare(const DeviceLayer& layer) const override {
    const DeviceOperand& w13 = layer.cutlass.w13;
    const DeviceOperand& w2 = layer.cutlass.w2;
    auto own = std::make_unique<WeightImages>();
    const uint64_t w13_bytes = bytes_of(w13, layer.gated, layer.experts);
    const uint64_t w2_bytes = bytes_of(w2, false, layer.experts);
    own->size = w13_bytes + w2_bytes;
    own->w13 = allocate_copy(w13_bytes, own->size);
    own->w2 = allocate_copy(w2_bytes, own->size);
    fill(w13, layer.gated, layer.experts, own->w13.get());
    fill(w2, false, layer.experts, own->w2.get());
    check_cuda(cudaDeviceSynchronize(), "order of the weights");
    return own.release();
  }

  size_t workspace_bytes(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape) const override {
    return cutlass_path::workspace_bytes(layer, body_of(own), shape);
  }

  void enqueue(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream,
               StageMarks* marks) const override {
    cutlass_path::enqueue(layer, body_of(own), shape, batch, stream, marks);
  }
};

}  // namespace

const KernelFamily& cutlass_sm90() {
  static const Sm90 family;
  return family;
}

}  // namespace moe::cuda
