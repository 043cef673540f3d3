// The one exported symbol of libmoescope_cuda.so. Which families are linked is decided by CMake, folder by folder.
#include "cuda/provider/cuda_provider.h"

namespace moe::cuda {

Families linked_families() {
  Families out;
#ifdef MOESCOPE_HAS_B12X
  out.b12x_native = &b12x_native();
  out.b12x_emulated = &b12x_emulated();
#endif
#ifdef MOESCOPE_HAS_HOPPER
  out.b12x_upcast = &b12x_upcast();
#endif
#ifdef MOESCOPE_HAS_CUTLASS
  out.cutlass_sm90 = &cutlass_sm90();
  out.cutlass_sm120 = &cutlass_sm120();
#endif
  return out;
}

}  // namespace moe::cuda

extern "C" __attribute__((visibility("default"))) const moe_provider* moescope_provider(void) {
  static const moe::cuda::Backend backend{moe::cuda::cudart_runtime(), moe::cuda::linked_families()};
  return moe::cuda::provider(backend);
}
