// cutlass-sm90: the CUTLASS path on Hopper, bf16 MMA over exactly upcast operands.
#include <memory>
#include <string>

#include "core/error/error.h"
#include "cuda/cutlass/expert_gemm.h"
#include "cuda/cutlass/operands.h"
#include "cuda/cutlass/pipeline.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda {
namespace {

using namespace cutlass_path;

/// Device memory that is freed with its owner.
struct DeviceFree {
  void operator()(uint8_t* memory) const { cudaFree(memory); }
};
using DeviceMemory = std::unique_ptr<uint8_t, DeviceFree>;

/// The weights as images for expert_gemm.h: a second copy of codes and scales, and padding.
struct WeightImages final : FamilyLayer {
  DeviceMemory w13, w2;
  uint64_t size = 0;
  uint64_t bytes() const override { return size; }
};

uint64_t bytes_of(const DeviceOperand& weights, int experts) {
  return static_cast<uint64_t>(experts) * static_cast<uint64_t>(image_bytes(weights.n, weights.k));
}

DeviceMemory allocate(uint64_t bytes, uint64_t total_bytes) {
  void* memory = nullptr;
  if (cudaMalloc(&memory, bytes) != cudaSuccess) {
    cudaGetLastError();  // the failure is told here, not by the next launch
    throw Error(code::kOutOfMemory,
                "the cutlass path on this GPU keeps a second copy of the layer's weights in its own order, " + std::to_string(total_bytes >> 20U) +
                    " MiB, and the device has not that much free memory",
                {{"subject", std::string("weights of the cutlass path")},
                 {"expected", static_cast<double>(total_bytes)},
                 {"remedy", std::string("free device memory, or prepare the layer with threshold 0 (no cutlass path)")}});
  }
  return DeviceMemory(static_cast<uint8_t*>(memory));
}

void fill(const DeviceOperand& weights, int experts, uint8_t* images) {
  check_cuda(cudaMemsetAsync(images, 0, bytes_of(weights, experts), nullptr), "clearing the weight images");
  enqueue_weight_images(weights, experts, images, nullptr);
}

Body body_of(const FamilyLayer* own) {
  const auto& weights = *static_cast<const WeightImages*>(own);
  return {nullptr, weights.w13.get(), weights.w2.get()};
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
    own->size = bytes_of(w13, layer.experts) + bytes_of(w2, layer.experts);
    own->w13 = allocate(bytes_of(w13, layer.experts), own->size);
    own->w2 = allocate(bytes_of(w2, layer.experts), own->size);
    fill(w13, layer.experts, own->w13.get());
    fill(w2, layer.experts, own->w2.get());
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
