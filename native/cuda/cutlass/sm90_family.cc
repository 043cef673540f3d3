// cutlass-sm90: the CUTLASS path on Hopper, over weights upcast once to bf16.
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
  void operator()(uint16_t* memory) const { cudaFree(memory); }
};
using DeviceMemory = std::unique_ptr<uint16_t, DeviceFree>;

/// Weights as code * SF in bf16, in images for expert_gemm.h: four times the bytes of FP4 and padding.
struct UpcastWeights final : FamilyLayer {
  DeviceMemory w13, w2;
  uint64_t size = 0;
  uint64_t bytes() const override { return size; }
};

uint64_t elements(const DeviceOperand& weights, int experts) {
  return static_cast<uint64_t>(experts) * static_cast<uint64_t>(image_elements(weights.n, weights.k));
}

DeviceMemory allocate(uint64_t count, uint64_t total_bytes) {
  void* memory = nullptr;
  if (cudaMalloc(&memory, count * sizeof(uint16_t)) != cudaSuccess) {
    cudaGetLastError();  // the failure is told here, not by the next launch
    throw Error(code::kOutOfMemory,
                "the cutlass path on this GPU keeps the layer's weights in bf16, " + std::to_string(total_bytes >> 20U) +
                    " MiB, and the device has not that much free memory",
                {{"subject", std::string("weights upcast to bf16")},
                 {"expected", static_cast<double>(total_bytes)},
                 {"remedy", std::string("free device memory, or prepare the layer with threshold 0 (no cutlass path)")}});
  }
  return DeviceMemory(static_cast<uint16_t*>(memory));
}

void fill(const DeviceOperand& weights, int experts, uint16_t* images) {
  check_cuda(cudaMemsetAsync(images, 0, elements(weights, experts) * sizeof(uint16_t), nullptr), "clearing the upcast weights");
  enqueue_upcast_weights(weights, experts, images, nullptr);
}

Body body_of(const FamilyLayer* own) {
  const auto& weights = *static_cast<const UpcastWeights*>(own);
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
    auto own = std::make_unique<UpcastWeights>();
    own->size = (elements(w13, layer.experts) + elements(w2, layer.experts)) * sizeof(uint16_t);
    own->w13 = allocate(elements(w13, layer.experts), own->size);
    own->w2 = allocate(elements(w2, layer.experts), own->size);
    fill(w13, layer.experts, own->w13.get());
    fill(w2, layer.experts, own->w2.get());
    check_cuda(cudaDeviceSynchronize(), "upcast of the weights");
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
