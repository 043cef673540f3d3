// cutlass-sm120: the CUTLASS path on RTX Blackwell, NVFP4 operands as they are. Compiled here and never run.
#include <memory>

#include "cuda/cutlass/device_memory.h"
#include "cuda/cutlass/pipeline.h"

namespace moe::cuda {
namespace {

using namespace cutlass_path;

/// Nothing beside the layer, but codes with padded rows where K is no multiple of 32: the planes of scales have padding.
struct PaddedWeights final : FamilyLayer {
  DeviceOperand w13, w2;
  DeviceMemory w13_codes, w2_codes;
  uint64_t size = 0;
  uint64_t bytes() const override { return size; }
};

uint64_t padded_bytes(const DeviceOperand& weights, int experts) {
  if (weights.k == padded_k(weights.k)) return 0;
  return static_cast<uint64_t>(experts) * static_cast<uint64_t>(weights.n) * static_cast<uint64_t>(padded_k(weights.k) / 2);
}

/// `weights` itself, or over a copy with zeros in the last 16 columns.
DeviceOperand pad(const DeviceOperand& weights, int experts, uint64_t total_bytes, DeviceMemory& codes) {
  const uint64_t bytes = padded_bytes(weights, experts);
  if (bytes == 0) return weights;
  codes = allocate_copy(bytes, total_bytes);
  const auto row = static_cast<size_t>(weights.k / 2);
  const auto rows = static_cast<size_t>(experts) * static_cast<size_t>(weights.n);
  check_cuda(cudaMemsetAsync(codes.get(), 0, bytes, nullptr), "clearing the padded weights");
  check_cuda(cudaMemcpy2DAsync(codes.get(), static_cast<size_t>(padded_k(weights.k) / 2), weights.packed, row, row, rows, cudaMemcpyDeviceToDevice, nullptr),
             "padding the weights");
  DeviceOperand out = weights;
  out.packed = codes.get();
  out.k = padded_k(weights.k);
  return out;
}

/// Rows an expert gets on average, from where on there are whole tiles of 128 to fill.
constexpr int kLargeRows = 128;

Body body_of(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape) {
  const int64_t pairs = static_cast<int64_t>(shape.tokens) * layer.top_k;
  const GroupedGemm& gemm = pairs > static_cast<int64_t>(kLargeRows) * layer.experts ? sm120_large() : sm120_small();
  const auto& weights = *static_cast<const PaddedWeights*>(own);
  Body body;
  body.sm120 = &gemm;
  body.w13 = weights.w13;
  body.w2 = weights.w2;
  return body;
}

class Sm120 final : public KernelFamily {
 public:
  const char* name() const override { return "cutlass-sm120"; }

  const char* refuses(const DeviceLayer& layer, const RunShape& shape) const override {
    if (layer.compute_major != 12) return "its GEMMs are compiled for RTX Blackwell (sm_120, sm_121) only";
    return cutlass_path::refuses(layer, shape);
  }

  FamilyLayer* prepare(const DeviceLayer& layer) const override {
    const DevicePath& path = layer.cutlass;
    auto own = std::make_unique<PaddedWeights>();
    own->size = padded_bytes(path.w13, layer.experts) + padded_bytes(path.w2, layer.experts);
    own->w13 = pad(path.w13, layer.experts, own->size, own->w13_codes);
    own->w2 = pad(path.w2, layer.experts, own->size, own->w2_codes);
    if (own->size > 0) check_cuda(cudaDeviceSynchronize(), "padding the weights");
    return own.release();
  }

  size_t workspace_bytes(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape) const override {
    return cutlass_path::workspace_bytes(layer, body_of(layer, own, shape), shape);
  }

  void enqueue(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream,
               StageMarks* marks) const override {
    cutlass_path::enqueue(layer, body_of(layer, own, shape), shape, batch, stream, marks);
  }
};

}  // namespace

const KernelFamily& cutlass_sm120() {
  static const Sm120 family;
  return family;
}

}  // namespace moe::cuda
