// CUTLASS's SM120 grouped GEMMs, seen from outside it: what the pipeline hands over, with no CUTLASS type, so that each kernel
// is one translation unit and nothing else waits for its compiler.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace moe::cuda::cutlass_path {

/// The extents of one group, in the order of CUTLASS's GroupProblemShape<Shape<int, int, int>>.
struct GroupShape {
  int m, n, k;
};

/// The operands of D[g] = multiplier[g] * A[g] * B[g]^T for the groups (experts) g: A the tokens' rows [M, K], B the weights
/// [N, K], both NVFP4, D [M, N] in bf16, sums in fp32. All are arrays in device memory with one element a group, filled by a
/// kernel on the same stream: the host never knows the extents.
struct GroupArrays {
  GroupShape* shape;
  const void** a;
  const void** b;
  void** d;
  int64_t *stride_a, *stride_b, *stride_d;  ///< leading dimensions, elements
  const void **sfa, **sfb;                  ///< block scales, 128x4 order
  void *layout_sfa, *layout_sfb;            ///< CUTLASS's layouts of them, GroupedGemm::scale_layout_bytes each
  const float* multiplier;
};

/// One compiled kernel. Functions throw moe::Error `internal` where CUTLASS refuses.
struct GroupedGemm {
  const char* name;
  size_t scale_layout_bytes;
  /// Bytes of tensor maps and the like for `sm_count` SMs; needs no device.
  size_t (*workspace_bytes)(int sm_count);
  /// Capturable: reads everything from `arrays`. `workspace` belongs to this launch until it has ended.
  void (*enqueue)(const GroupArrays& arrays, int groups, int sm_count, void* workspace, cudaStream_t stream);
};

/// The K that these GEMMs take for a layer's: TMA reads 16 bytes, 32 codes. The last 16 columns are then zeros.
constexpr int padded_k(int k) { return (k + 31) / 32 * 32; }

/// K must be a multiple of 32.
const GroupedGemm& sm120_large();  ///< many rows an expert
const GroupedGemm& sm120_small();  ///< few rows an expert

}  // namespace moe::cuda::cutlass_path
