// wgmma.mma_async with A from registers: 64 weight rows by 8 * kGroups activation rows (PTX ISA, "wgmma"; sm_90a).
//
// A warp's part of the 64 rows is 16 of them, in the fragment of mma.m16n8k16, so fragments.cuh serves both. B lies in shared
// memory K-major with the 128-byte swizzle: rows of 64 k in groups of eight, 1024 bytes, at a multiple of that. Source of the
// descriptor's fields and of what the strides mean: CUTLASS, cute/arch/mma_sm90_desc.hpp and cute/atom/mma_traits_sm90_gmma.hpp.
#pragma once

#include <cstdint>

namespace moe::cuda::hopper {

/// Must stand between writing registers that a wgmma takes and that wgmma.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/// Waits until at most kPending of the warp group's latest committed groups run.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

inline constexpr uint32_t kStepBytes = 32;  ///< of a swizzled row that one instruction takes

/// Descriptor of B: `shared` is the address of the first group's first row, plus kStepBytes for each step; `group_stride` the
/// bytes between groups of eight rows.
__device__ __forceinline__ uint64_t wgmma_descriptor(uint32_t shared, uint32_t group_stride) {
  constexpr uint64_t kSwizzle128 = uint64_t{1} << 62U;
  constexpr uint64_t kUnused = uint64_t{1} << 16U;  // the leading stride, which this swizzle does not use
  return static_cast<uint64_t>((shared & 0x3FFFFU) >> 4U) | kUnused | static_cast<uint64_t>(group_stride >> 4U) << 32U | kSwizzle128;
}

#define MOESCOPE_SUMS(n) "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])
#define MOESCOPE_OPERANDS "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b)

/// c += A * B, fp16 operands, fp32 sums: c[n] as mma.m16n8k16's, for rows 8n to 8n + 7 of B.
template <int kGroups, int kMost>
__device__ __forceinline__ void wgmma(float (&c)[kMost][4], const uint32_t (&a)[4], uint64_t b) {
  static_assert((kGroups == 1 || kGroups == 2 || kGroups == 4 || kGroups == 6) && kGroups <= kMost);
  if constexpr (kGroups == 1) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0,%1,%2,%3}, {%4,%5,%6,%7}, %8, 1, 1, 1, 0;"
                 : MOESCOPE_SUMS(0)
                 : MOESCOPE_OPERANDS);
  } else if constexpr (kGroups == 2) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {%0,%1,%2,%3,%4,%5,%6,%7}, {%8,%9,%10,%11}, %12, 1, 1, 1, 0;"
                 : MOESCOPE_SUMS(0), MOESCOPE_SUMS(1)
                 : MOESCOPE_OPERANDS);
  } else if constexpr (kGroups == 4) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n32k16.f32.f16.f16 {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15}, {%16,%17,%18,%19}, %20, 1, 1, 1, 0;"
                 : MOESCOPE_SUMS(0), MOESCOPE_SUMS(1), MOESCOPE_SUMS(2), MOESCOPE_SUMS(3)
                 : MOESCOPE_OPERANDS);
  } else if constexpr (kGroups == 6) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n48k16.f32.f16.f16 {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23}, {%24,%25,%26,%27}, %28, 1, 1, 1, 0;"
                 : MOESCOPE_SUMS(0), MOESCOPE_SUMS(1), MOESCOPE_SUMS(2), MOESCOPE_SUMS(3), MOESCOPE_SUMS(4), MOESCOPE_SUMS(5)
                 : MOESCOPE_OPERANDS);
  }
}

#undef MOESCOPE_SUMS
#undef MOESCOPE_OPERANDS

}  // namespace moe::cuda::hopper
