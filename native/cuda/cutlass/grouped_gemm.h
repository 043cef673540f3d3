// Grouped GEMMs made of CUTLASS, seen from outside it: what the pipeline hands over, with no CUTLASS type, so that each
// kernel is one translation unit and nothing else waits for its compiler.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace moe::cuda::cutlass_path {

/// The extents of one group, in the order of CUTLASS's GroupProblemShape<Shape<int, int, int>>.
struct GroupShape {
  int m, n, k;
};

/// The operands of D[g] = multiplier[g] * A[g] * B[g]^T for the groups (experts) g, D in bf16, sums in fp32. All are arrays
/// in device memory with one element a group, filled by a kernel on the same stream: the host never knows the extents.
struct GroupArrays {
  GroupShape* shape;
  const void** a;
  const void** b;
  void** d;
  int64_t *stride_a, *stride_b, *stride_d;  ///< leading dimensions, elements
  const void **sfa, **sfb;                  ///< block scales, 128x4 order; SM120 only
  void *layout_sfa, *layout_sfb;            ///< CUTLASS's layouts of them, GroupedGemm::scale_layout_bytes each; SM120 only
  const float* multiplier;
};

/// One compiled kernel. Functions throw moe::Error `internal` where CUTLASS refuses.
struct GroupedGemm {
  const char* name;
  /// Rows of the token side that one tile covers.
  int tile_rows;
  size_t scale_layout_bytes;
  /// Bytes of tensor maps and the like for `sm_count` SMs; needs no device.
  size_t (*workspace_bytes)(int sm_count);
  /// Capturable: reads everything from `arrays`. `workspace` belongs to this launch until it has ended.
  void (*enqueue)(const GroupArrays& arrays, int groups, int sm_count, void* workspace, cudaStream_t stream);
};

/// SM90, bf16 x bf16 -> bf16. A is the weights [M, K], B the tokens' rows [N, K], D [N, M] row by row: weights are the MMA's M
/// side, so that a tile can be narrow in tokens.
const GroupedGemm& sm90_large();  ///< many rows an expert
const GroupedGemm& sm90_small();  ///< few rows an expert

/// SM120, NVFP4 x NVFP4 -> bf16. A is the tokens' rows [M, K], B the weights [N, K], D [M, N]; K a multiple of 32 (TMA's 16 bytes).
const GroupedGemm& sm120_large();
const GroupedGemm& sm120_small();

}  // namespace moe::cuda::cutlass_path
