// The families b12x-native and b12x-emulated: the same kernels over the instruction and over its software twin.
#include "cuda/b12x/run.h"
#include "cuda/launch.h"

namespace moe::cuda {
namespace {

/// Nothing beyond DeviceLayer.
struct B12xLayer final : FamilyLayer {
  uint64_t bytes() const override { return 0; }
};

class B12xFamily final : public KernelFamily {
 public:
  B12xFamily(const char* name, const b12x::GroupedKernels& kernels, bool native) : name_(name), kernels_(kernels), native_(native) {}

  const char* name() const override { return name_; }

  const char* refuses(const DeviceLayer& layer, const RunShape& shape) const override {
    if (native_ && layer.compute_major != 12) return "the FP4 MMA needs a device of compute capability 12.0 or 12.1";
    if (shape.path != MOE_PATH_B12X) return "it runs the b12x path only";
    switch (shape.kernel) {
      case MOE_KERNEL_DIRECT_MICRO: return nullptr;
      case MOE_KERNEL_MICRO:
      case MOE_KERNEL_STATIC:
      case MOE_KERNEL_DYNAMIC: break;
      default: return "it has direct micro, micro, static and dynamic kernels only";
    }
    const int m = shape.tile_m;
    if (m != 16 && m != 32 && m != 64 && m != b12x::kMaxTileM) return "its tiles have 16, 32, 64 or 128 rows";
    if (shape.tile_n != b12x::kTileN) return "its tiles have 128 columns";
    return nullptr;
  }

  FamilyLayer* prepare(const DeviceLayer&) const override { return new B12xLayer; }

  size_t workspace_bytes(const DeviceLayer& layer, const FamilyLayer*, const RunShape& shape) const override { return b12x::make_plan(layer, shape).bytes; }

  void enqueue(const DeviceLayer& layer, const FamilyLayer*, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream, StageMarks* marks) const override {
    b12x::enqueue_run(kernels_, layer, shape, batch, stream, marks);
  }

 private:
  const char* name_;
  const b12x::GroupedKernels& kernels_;
  bool native_;
};

}  // namespace

const KernelFamily& b12x_native() {
  static const B12xFamily family("b12x-native", b12x::native_kernels(), true);
  return family;
}

const KernelFamily& b12x_emulated() {
  static const B12xFamily family("b12x-emulated", b12x::emulated_kernels(), false);
  return family;
}

}  // namespace moe::cuda
