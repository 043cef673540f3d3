// The kernels of the CUTLASS path and the CUDA calls of its families without a GPU: a launch only notes what it was given. Device
// memory is addresses that nothing stands behind, so that layers may be as large as real ones, or host memory. One test includes it.
#pragma once

#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cuda/cutlass/expert_gemm.h"
#include "cuda/cutlass/operands.h"
#include "cuda/kernels/finalize.h"

namespace moe::test {

struct FakeDevice {
  bool real = false;  ///< allocations are host memory
  size_t capacity = SIZE_MAX;
  size_t allocated = 0;
  bool last_error = false, out_of_bounds = false;

  /// Memory of so many bytes at a multiple of 256, with a gap after it.
  uint8_t* make(size_t bytes) {
    const size_t room = (bytes + 511) / 256 * 256;
    void* memory = real ? std::aligned_alloc(256, room) : reinterpret_cast<void*>(next_ += room);
    if (real) std::memset(memory, 0xCD, room);
    blocks_[reinterpret_cast<uintptr_t>(memory)] = bytes;
    return static_cast<uint8_t*>(memory);
  }
  void drop(void* memory) {
    blocks_.erase(reinterpret_cast<uintptr_t>(memory));
    if (real) std::free(memory);
  }
  size_t bytes_of(const void* memory) const { return blocks_.at(reinterpret_cast<uintptr_t>(memory)); }
  /// Notes it when [memory, memory + bytes) is not inside one block.
  void touch(const void* memory, size_t bytes) {
    const auto at = reinterpret_cast<uintptr_t>(memory);
    const auto after = blocks_.upper_bound(at);
    out_of_bounds = out_of_bounds || after == blocks_.begin() || at + bytes > std::prev(after)->first + std::prev(after)->second;
  }

 private:
  uintptr_t next_ = uintptr_t{1} << 32;
  std::map<uintptr_t, size_t> blocks_;
};

/// What the launches of one run were given.
struct Launches {
  struct Sort {
    int tile_rows;
    cuda::DeviceExpertRows rows;
    void* scratch;
  };
  struct Gemm {
    std::string name;
    cuda::cutlass_path::GroupArrays arrays;
    void* workspace;
  };
  std::optional<Sort> sort;
  std::optional<cuda::cutlass_path::GroupSource> fc1, fc2;
  std::optional<cuda::cutlass_path::ExpandRows> expand;
  std::optional<cuda::cutlass_path::ActivateRows> activate;
  std::optional<cuda::WeightedFinalize> finalize;
  std::vector<Gemm> gemms;  ///< SM120
  std::vector<cuda::cutlass_path::ExpertGemm> expert_gemms;  ///< SM90
  std::optional<cuda::cutlass_path::ActivatedRows> activated;
  std::optional<cuda::cutlass_path::StoredRows> stored;
};

inline FakeDevice device;
inline Launches launches;

/// Sizes that only the kernels know; odd, so that what is laid out after them has to be aligned.
inline constexpr size_t kLayoutBytes = 24;
inline size_t gemm_bytes(int sm_count) { return static_cast<size_t>(sm_count) * 1000 + 7; }
inline size_t scratch_bytes(int pairs, int experts) { return static_cast<size_t>(pairs / 1024 + 1) * static_cast<size_t>(experts) * 4 + 3; }

template <bool Large>
void note_gemm(const cuda::cutlass_path::GroupArrays& arrays, int, int, void* workspace, cudaStream_t) {
  launches.gemms.push_back({Large ? "large" : "small", arrays, workspace});
}

}  // namespace moe::test

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  auto& device = moe::test::device;
  if (bytes > device.capacity - device.allocated) return device.last_error = true, cudaErrorMemoryAllocation;
  device.allocated += bytes;
  *memory = device.make(bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  moe::test::device.allocated -= moe::test::device.bytes_of(memory);
  moe::test::device.drop(memory);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int byte, size_t bytes, cudaStream_t) {
  moe::test::device.touch(memory, bytes);
  if (moe::test::device.real) std::memset(memory, byte, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height, cudaMemcpyKind, cudaStream_t) {
  moe::test::device.touch(to, (height - 1) * to_pitch + width);
  moe::test::device.touch(from, (height - 1) * from_pitch + width);
  for (size_t row = 0; moe::test::device.real && row < height; ++row) std::memcpy(static_cast<uint8_t*>(to) + row * to_pitch, static_cast<const uint8_t*>(from) + row * from_pitch, width);
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaGetLastError() { return std::exchange(moe::test::device.last_error, false) ? cudaErrorMemoryAllocation : cudaSuccess; }
const char* cudaGetErrorName(cudaError_t) { return "cudaErrorMemoryAllocation"; }
const char* cudaGetErrorString(cudaError_t) { return "out of memory"; }

namespace moe::cuda {

size_t expert_rows_scratch_bytes(int pairs, int experts) { return test::scratch_bytes(pairs, experts); }
void enqueue_expert_rows(const int32_t*, int, int, int tile_rows, const DeviceExpertRows& out, void* scratch, cudaStream_t) { test::launches.sort = {tile_rows, out, scratch}; }
void enqueue_weighted_finalize(const WeightedFinalize& work, cudaStream_t) { test::launches.finalize = work; }

namespace cutlass_path {

const GroupedGemm& sm120_large() {
  static const GroupedGemm gemm{"large", test::kLayoutBytes, test::gemm_bytes, test::note_gemm<true>};
  return gemm;
}
const GroupedGemm& sm120_small() {
  static const GroupedGemm gemm{"small", test::kLayoutBytes, test::gemm_bytes, test::note_gemm<false>};
  return gemm;
}
void enqueue_expand_rows(const ExpandRows& work, cudaStream_t) { test::launches.expand = work; }
void enqueue_activate_rows(const ActivateRows& work, cudaStream_t) { test::launches.activate = work; }
void enqueue_fc2_tap(const uint16_t*, const int32_t*, int64_t, int, float*, cudaStream_t) {}
void enqueue_weight_images(const DeviceOperand& weights, bool gated, int experts, uint8_t* images, cudaStream_t) {
  test::device.touch(images, static_cast<size_t>(experts) * static_cast<size_t>(image_bytes(weights.n, weights.k, gated)));
}
void enqueue_group_arrays(const GroupSource& fc1, const GroupSource& fc2, int, const DeviceExpertRows&, cudaStream_t) {
  test::launches.fc1 = fc1;
  test::launches.fc2 = fc2;
}
void enqueue_expert_gemm(const ExpertGemm& work, const StoredRows& to, int, cudaStream_t) {
  test::launches.expert_gemms.push_back(work);
  test::launches.stored = to;
}
void enqueue_expert_gemm_silu(const ExpertGemm& work, const ActivatedRows& to, int, cudaStream_t) {
  test::launches.expert_gemms.push_back(work);
  test::launches.activated = to;
}
void enqueue_expert_gemm_gelu_tanh(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream) { enqueue_expert_gemm_silu(work, to, sm_count, stream); }
void enqueue_expert_gemm_swigluoai(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream) { enqueue_expert_gemm_silu(work, to, sm_count, stream); }
void enqueue_expert_gemm_relu2(const ExpertGemm& work, const ActivatedRows& to, int sm_count, cudaStream_t stream) { enqueue_expert_gemm_silu(work, to, sm_count, stream); }

}  // namespace cutlass_path
}  // namespace moe::cuda
