// The grouped kernels over the software MMA.
#include "cuda/b12x/fc1.cuh"
#include "cuda/b12x/fc2.cuh"
#include "cuda/b12x/mma_nvfp4.cuh"

namespace moe::cuda::b12x {

const GroupedKernels& emulated_kernels() {
  static const GroupedKernels kernels{launch_fc1<EmulatedMma>, launch_fc2<EmulatedMma>};
  return kernels;
}

}  // namespace moe::cuda::b12x
