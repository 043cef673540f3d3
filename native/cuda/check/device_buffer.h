// Device memory of the correctness program.
#pragma once

#include <cuda_runtime_api.h>

#include <utility>
#include <vector>

#include "cuda/kernels/launch_check.h"

namespace moe::cuda::checking {

/// `count` elements of T in device memory. @throws Error `out-of-memory`
template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(size_t count) : count_(count) {
    void* memory = nullptr;
    check_cuda(cudaMalloc(&memory, count == 0 ? 1 : count * sizeof(T)), "allocation of device memory");
    data_ = static_cast<T*>(memory);
  }
  explicit DeviceBuffer(const std::vector<T>& values) : DeviceBuffer(values.size()) {
    check_cuda(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice), "upload");
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() { cudaFree(data_); }

  T* get() const { return data_; }
  size_t bytes() const { return count_ * sizeof(T); }
  void fill(int byte) const { check_cuda(cudaMemset(data_, byte, bytes()), "fill"); }
  std::vector<T> download() const {
    std::vector<T> out(count_);
    check_cuda(cudaMemcpy(out.data(), data_, bytes(), cudaMemcpyDeviceToHost), "download");
    return out;
  }

 private:
  T* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace moe::cuda::checking
