// What the fused kernel's blocks synchronise with: a border that all blocks of the grid pass together, and stores into the
// shared memory of another block of the cluster (PTX ISA: "mapa", "barrier.cluster").
#pragma once

#include <cstdint>

namespace moe::cuda::hopper {

/// The border is one word in device memory, zero when the layer is prepared. Its top bit flips once every block has arrived
/// and its other bits are then zero again, so that the next launch needs no clearing. Method: cooperative groups' grid
/// barrier (CUDA, cooperative_groups/details/sync.h). One run of a layer at a time.
inline constexpr uint32_t kBorderPassed = 0x80000000U;

/// To be read before this block arrives.
__device__ __forceinline__ uint32_t border_before(const uint32_t* word) {
  uint32_t value;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
  return value & kBorderPassed;
}

/// By one thread, after a block barrier: what the block wrote is visible to who passes the border.
__device__ __forceinline__ void border_arrive(uint32_t* word, bool first_block, uint32_t blocks) {
  asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(word), "r"(first_block ? kBorderPassed - (blocks - 1) : 1U) : "memory");
}

__device__ __forceinline__ void border_wait(const uint32_t* word, uint32_t before) {
  uint32_t value;
  do {
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
  } while (((value ^ before) & kBorderPassed) == 0);
}

/// Address of the same place in the cluster's first block.
__device__ __forceinline__ uint32_t in_first_block(uint32_t shared) {
  uint32_t address;
  asm("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(address) : "r"(shared));
  return address;
}

__device__ __forceinline__ void store_in_cluster(uint32_t address, float value) { asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory"); }

/// Of the cluster's threads that have not left: what is stored before an arrival is visible behind the wait. A block alone is
/// a cluster of one. An arrival that publishes nothing saves the fence.
__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release;" ::: "memory"); }
__device__ __forceinline__ void cluster_arrive_empty() { asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory"); }
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }

/// Barrier among `threads` threads, some of the block's.
__device__ __forceinline__ void named_barrier(int name, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(name), "r"(threads) : "memory"); }

}  // namespace moe::cuda::hopper
