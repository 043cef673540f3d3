// The seam inside the cuda provider: what the host side (provider/) hands to a family of kernels, and what that returns.
// A family is one folder (b12x/, hopper/, cutlass/) and implements KernelFamily; the host side owns memory, streams,
// graphs, events and errors, so that a family only enqueues work and never allocates, waits or copies to the host.
#pragma once

// The host side and its tests are compiled without CUDA's headers too, which declare the same type.
#if __has_include(<cuda_runtime_api.h>)
#include <cuda_runtime_api.h>
#else
using cudaStream_t = struct CUstream_st*;
#endif

#include <cstddef>
#include <cstdint>

#include "provider.h"

namespace moe::cuda {

/// One FP4 operand in device memory: E experts of [N, K/2] bytes, and planes of E4M3 scales in 128x4 order
/// (core/layout/scale_layout.h), `scale_plane_bytes` apart.
struct DeviceOperand {
  const uint8_t* packed = nullptr;
  const uint8_t* scales = nullptr;
  int n = 0, k = 0;
  size_t scale_plane_bytes = 0;
};

/// The scale set of one path: the device form of moe::PathScales. Arrays are [E] fp32.
struct DevicePath {
  DeviceOperand w13, w2;
  const float* fc1_quantizer = nullptr;   ///< b12x: small divider; CUTLASS: large 1/a
  const float* fc1_multiplier = nullptr;  ///< of FC1's fp32 sums
  const float* fc2_quantizer = nullptr;
  const float* fc2_multiplier = nullptr;
  bool shared_fc1_quantizer = false;  ///< all experts have the same fc1_quantizer
};

/// A layer in device memory. w13 is [E, N1, H/2] with rows [up, gate] (N1 = 2I) or [E, I, H/2] for relu2; w2 is [E, H, I/2].
struct DeviceLayer {
  int hidden = 0, intermediate = 0, experts = 0, top_k = 0;
  bool gated = false;
  int activation = MOE_SILU;  ///< moe_activation
  float swiglu_alpha = 1.702F, swiglu_limit = 7.0F;
  DevicePath b12x;
  DevicePath cutlass;       ///< w13.packed == nullptr when the threshold is 0
  bool direct_micro_divides = true;  ///< cpu/layer.h DirectMicroScale::kDivider; false: MOESCOPE_DIRECT_MICRO_SCALE=multiplier
  int sm_count = 0, compute_major = 0, compute_minor = 0;
  int shared_bytes_per_block = 0;  ///< opt-in limit
};

/// What a graph is captured for: everything that changes which kernels are launched and with which grid.
struct RunShape {
  int tokens = 0;
  int path = MOE_PATH_B12X;   ///< moe_path
  int kernel = MOE_KERNEL_STATIC;  ///< moe_kernel
  int tile_m = 0, tile_n = 0;
  int taps = MOE_TAP_NONE;    ///< MOE_TAP_* mask
  bool deterministic = true;
};

/// Device buffers of one run; they keep their addresses over all runs of a shape, so that a captured graph stays valid.
/// Taps that were not asked for are nullptr; shapes and row order are provider.h's.
struct DeviceBatch {
  const uint16_t* x = nullptr;         ///< bf16 [T, H]
  const int32_t* topk_ids = nullptr;   ///< [T, k]
  const float* topk_weights = nullptr; ///< [T, k]
  uint16_t* y = nullptr;               ///< bf16 [T, H]
  uint8_t *x_q = nullptr, *x_sf = nullptr;
  float *fc1 = nullptr, *act = nullptr;
  uint8_t *act_q = nullptr, *act_sf = nullptr;
  float* fc2 = nullptr;
  void* workspace = nullptr;           ///< 256-byte aligned, as many bytes as workspace_bytes() said; contents undefined
};

/// The border after a stage, for stage times: the host side records an event at each call when it measures, else nothing.
struct StageMarks {
  virtual ~StageMarks() = default;
  /// @param stage "quantize", "fc1", "activation", "fc2", "finalize": work enqueued since the last mark belongs to it.
  virtual void after(const char* stage, cudaStream_t stream) = 0;
};

/// What a family keeps of a layer beyond DeviceLayer (weights in another order, upcast weights); made once.
struct FamilyLayer {
  virtual ~FamilyLayer() = default;
  virtual uint64_t bytes() const = 0;  ///< device memory it holds beyond DeviceLayer's
};

/// One way to run a path on a device. Functions throw moe::Error (core/error/error.h).
struct KernelFamily {
  virtual ~KernelFamily() = default;
  /// "b12x-native" (NVFP4 MMA), "b12x-emulated", "b12x-upcast", "cutlass-sm120", "cutlass-sm90": shown to the user.
  virtual const char* name() const = 0;
  /// nullptr when it runs this shape on this device; otherwise why not, in words.
  virtual const char* refuses(const DeviceLayer& layer, const RunShape& shape) const = 0;
  /// May allocate device memory with cudaMalloc; @throws Error out-of-memory.
  virtual FamilyLayer* prepare(const DeviceLayer& layer) const = 0;
  virtual size_t workspace_bytes(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape) const = 0;
  /// Enqueues the whole run on `stream`; capturable (no allocation, no synchronisation, no host reads).
  virtual void enqueue(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape, const DeviceBatch& batch,
                       cudaStream_t stream, StageMarks* marks) const = 0;
};

/// The families, one function per folder; each is linked into the same library.
const KernelFamily& b12x_native();    // native/cuda/b12x, launched on sm_120 / sm_121
const KernelFamily& b12x_emulated();  // native/cuda/b12x, the same kernels with the software MMA; any device
const KernelFamily& b12x_upcast();    // native/cuda/hopper, fast body for sm_90
const KernelFamily& cutlass_sm90();   // native/cuda/cutlass
const KernelFamily& cutlass_sm120();  // native/cuda/cutlass

}  // namespace moe::cuda
