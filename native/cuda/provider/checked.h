// From CUDA status codes to errors with a code and a sentence, and CUDA handles that free themselves.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/error/error.h"
#include "cuda/provider/runtime.h"

namespace moe::cuda {

/// True for errors after which nothing works in this process's CUDA context: faults of a kernel, a lost or reset device.
bool is_fault(CudaStatus code);

/// "1.50 GiB", "300 MiB", "12 KiB".
std::string bytes_text(uint64_t bytes);

/// The error `device-lost` for a fault. @param doing completes "while ..."
Error lost_device(Runtime& runtime, CudaStatus fault, const std::string& doing);

/// Throws unless `code` is success. @param doing completes "while ..."; @throws Error `device-lost` for a fault,
/// `out-of-memory` with what is free, `unsupported` when the library has no kernel for the device, else `internal`; all name the
/// CUDA error, and clear it, so that the next launch does not report it.
void check(Runtime& runtime, CudaStatus code, const std::string& doing);

inline constexpr char kRestart[] = "restart the engine to use the GPU again";
inline constexpr char kFreeMemory[] = "free device memory, or take the provider cpu";

/// The error of memory that could not be had, with what is free. Clears the error that the next launch would report.
/// @param bytes 0: not known. @param remedy what to do
Error no_memory(Runtime& runtime, const std::string& what, size_t bytes, const std::string& remedy);

/// What a family threw for its copy of a layer (cuda/copy_error.h, or out-of-memory without a size) with all its facts, the
/// family's name, the size and what is free.
Error no_memory_for_family(Runtime& runtime, const std::string& family, const Error& thrown);

/// Device memory; movable, freed with the object. Freeing after a fault fails, which is of no consequence.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  /// @param what named in the error. @throws Error `out-of-memory` with the size wanted, what is free and `remedy`.
  DeviceMemory(Runtime& runtime, size_t bytes, const std::string& what, const std::string& remedy = kFreeMemory);
  ~DeviceMemory() { release(); }
  DeviceMemory(DeviceMemory&& other) noexcept : runtime_(other.runtime_), memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void release();
  uint8_t* data() const { return static_cast<uint8_t*>(memory_); }
  size_t bytes() const { return bytes_; }

 private:
  Runtime* runtime_ = nullptr;
  void* memory_ = nullptr;
  size_t bytes_ = 0;
};

/// A stream, event or executable graph that destroys itself.
template <class Handle, CudaStatus (Runtime::*destroy)(Handle)>
class Owned {
 public:
  Owned() = default;
  Owned(Runtime& runtime, Handle handle) : runtime_(&runtime), handle_(handle) {}
  ~Owned() {
    if (handle_ != nullptr) (runtime_->*destroy)(handle_);
  }
  Owned(Owned&& other) noexcept : runtime_(other.runtime_), handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Handle get() const { return handle_; }

 private:
  Runtime* runtime_ = nullptr;
  Handle handle_ = nullptr;
};
using OwnedStream = Owned<Stream, &Runtime::destroy_stream>;
using OwnedEvent = Owned<Event, &Runtime::destroy_event>;
using OwnedGraph = Owned<GraphExec, &Runtime::destroy_graph>;

OwnedStream make_stream(Runtime& runtime);
OwnedEvent make_event(Runtime& runtime);

}  // namespace moe::cuda
