// The one exported symbol of libmoescope_cuda.so. Which families are linked is decided by CMake: those that are defined.
#include "cuda/provider/cuda_provider.h"

namespace moe::cuda {

#if !defined(MOESCOPE_HAS_B12X_NATIVE) && !defined(MOESCOPE_HAS_B12X_EMULATED) && !defined(MOESCOPE_HAS_B12X_UPCAST) && !defined(MOESCOPE_HAS_CUTLASS_SM90) && \
    !defined(MOESCOPE_HAS_CUTLASS_SM120)
#error "no family of kernels was found: look at how native/cuda/CMakeLists.txt finds them"
#endif

Families linked_families() {
  Families out;
#ifdef MOESCOPE_HAS_B12X_NATIVE
  out.b12x_native = &b12x_native();
#endif
#ifdef MOESCOPE_HAS_B12X_EMULATED
  out.b12x_emulated = &b12x_emulated();
#endif
#ifdef MOESCOPE_HAS_B12X_UPCAST
  out.b12x_upcast = &b12x_upcast();
#endif
#ifdef MOESCOPE_HAS_CUTLASS_SM90
  out.cutlass_sm90 = &cutlass_sm90();
#endif
#ifdef MOESCOPE_HAS_CUTLASS_SM120
  out.cutlass_sm120 = &cutlass_sm120();
#endif
  return out;
}

}  // namespace moe::cuda

extern "C" __attribute__((visibility("default"))) const moe_provider* moescope_provider(void) {
  static const moe::cuda::Backend backend{moe::cuda::cudart_runtime(), moe::cuda::linked_families()};
  return moe::cuda::provider(backend);
}
