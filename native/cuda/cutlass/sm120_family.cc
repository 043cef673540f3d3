// cutlass-sm120: the CUTLASS path on RTX Blackwell, NVFP4 operands as they are. Compiled here and never run.
#include "cuda/cutlass/pipeline.h"

namespace moe::cuda {
namespace {

using namespace cutlass_path;

/// Nothing is kept beside the layer.
struct NoCopy final : FamilyLayer {
  uint64_t bytes() const override { return 0; }
};

/// Rows an expert gets on average, from where on there are whole tiles of 128 to fill.
constexpr int kLargeRows = 128;

Body body_of(const DeviceLayer& layer, const RunShape& shape) {
  const int64_t pairs = static_cast<int64_t>(shape.tokens) * layer.top_k;
  const GroupedGemm& gemm = pairs > static_cast<int64_t>(kLargeRows) * layer.experts ? sm120_large() : sm120_small();
  return {&gemm};
}

class Sm120 final : public KernelFamily {
 public:
  const char* name() const override { return "cutlass-sm120"; }

  const char* refuses(const DeviceLayer& layer, const RunShape& shape) const override {
    if (layer.compute_major != 12) return "its GEMMs are compiled for RTX Blackwell (sm_120, sm_121) only";
    if (layer.hidden % 32 != 0 || layer.intermediate % 32 != 0) return "its TMA loads need hidden and intermediate to be multiples of 32";
    return cutlass_path::refuses(layer, shape);
  }

  FamilyLayer* prepare(const DeviceLayer&) const override { return new NoCopy; }

  size_t workspace_bytes(const DeviceLayer& layer, const FamilyLayer*, const RunShape& shape) const override {
    return cutlass_path::workspace_bytes(layer, body_of(layer, shape), shape);
  }

  void enqueue(const DeviceLayer& layer, const FamilyLayer*, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream,
               StageMarks* marks) const override {
    cutlass_path::enqueue(layer, body_of(layer, shape), shape, batch, stream, marks);
  }
};

}  // namespace

const KernelFamily& cutlass_sm120() {
  static const Sm120 family;
  return family;
}

}  // namespace moe::cuda
