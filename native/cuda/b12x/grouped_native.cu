// The grouped kernels over the FP4 MMA of SM120. The sm_90a code of this file traps and is never launched.
#include "cuda/b12x/fc1.cuh"
#include "cuda/b12x/fc2.cuh"
#include "cuda/b12x/mma_nvfp4.cuh"

namespace moe::cuda::b12x {

const GroupedKernels& native_kernels() {
  static const GroupedKernels kernels{launch_fc1<NativeMma>, launch_fc2<NativeMma>};
  return kernels;
}

}  // namespace moe::cuda::b12x
