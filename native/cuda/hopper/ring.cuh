// Bulk copies from global to shared memory that complete on an mbarrier, and programmatic dependent launch (PTX ISA,
// "cp.async.bulk", "mbarrier", "griddepcontrol"; sm_90 and later).
#pragma once

#include <cstdint>

namespace moe::cuda::hopper {

__device__ __forceinline__ uint32_t shared_address(const void* pointer) { return static_cast<uint32_t>(__cvta_generic_to_shared(pointer)); }

__device__ __forceinline__ void barrier_init(uint32_t barrier, uint32_t arrivals) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory"); }

/// Makes initialised barriers visible to the copy engine.
__device__ __forceinline__ void barrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

__device__ __forceinline__ void barrier_arrive_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

__device__ __forceinline__ void barrier_arrive(uint32_t barrier) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory"); }

__device__ __forceinline__ void barrier_wait(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\n"
      "again:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra.uni over;\nbra.uni again;\nover:\n}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

/// A place in a ring that is walked stage by stage: the slot, and the parity of the phase that completes it.
struct RingSlot {
  int slot = 0;
  uint32_t parity = 0;
  __device__ __forceinline__ void next(int depth) {
    if (++slot == depth) {
      slot = 0;
      parity ^= 1U;
    }
  }
};

/// `bytes` is a multiple of 16; both addresses are 16-byte aligned.
__device__ __forceinline__ void bulk_copy(uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared), "l"(global), "r"(bytes), "r"(barrier) : "memory");
}

/// bulk_copy() of what is read once: first to leave L2, so that activations stay there. The policy is createpolicy's evict_first
/// as CUTLASS writes it (cute/arch/copy_sm90_desc.hpp, TMA::CacheHintSm90).
__device__ __forceinline__ void bulk_copy_once(uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier) {
  constexpr uint64_t kEvictFirst = 0x12F0000000000000ULL;
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(shared), "l"(global), "r"(bytes), "r"(barrier), "l"(kEvictFirst) : "memory");
}

/// 16 bytes by this thread, through L2 only.
__device__ __forceinline__ void copy_16(uint32_t shared, const void* global) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory"); }

/// Asks for a line of 128 bytes in L2.
__device__ __forceinline__ void prefetch_line(const void* global) { asm volatile("prefetch.global.L2 [%0];" ::"l"(global)); }

/// One arrival of this thread once all its copy_16() so far are done; counts towards the barrier's arrivals.
__device__ __forceinline__ void barrier_arrive_copies(uint32_t barrier) { asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory"); }

/// Lets the next kernel of the stream start; it sees nothing of ours before its grid_wait().
__device__ __forceinline__ void grid_launch_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

/// Waits until the kernels before this one are complete and their writes visible. Weights and routing, which no kernel of
/// a run writes, may be read earlier.
__device__ __forceinline__ void grid_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

}  // namespace moe::cuda::hopper
