// What the host side of the cuda provider asks of the CUDA runtime and driver. One implementation is the real runtime
// (cudart_runtime.cc); tests give one of their own, so that everything above it runs on a machine without a GPU or nvcc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

// The handle types of the CUDA headers, which are not needed here.
struct CUstream_st;
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;

namespace moe::cuda {

using Stream = CUstream_st*;
using Event = CUevent_st*;
using Graph = CUgraph_st*;
using GraphExec = CUgraphExec_st*;

/// A cudaError_t; 0 is success. The ones the host side knows by number (cuda_runtime_api.h, stable since CUDA 10.1).
using CudaStatus = int;
namespace status {
inline constexpr CudaStatus kSuccess = 0;
inline constexpr CudaStatus kMemoryAllocation = 2;
inline constexpr CudaStatus kInsufficientDriver = 35;
inline constexpr CudaStatus kNoDevice = 100;
inline constexpr CudaStatus kNoKernelImage = 209;
inline constexpr CudaStatus kIllegalAddress = 700;
inline constexpr CudaStatus kLaunchFailure = 719;
inline constexpr CudaStatus kUnknown = 999;
}  // namespace status

struct DeviceFacts {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int sm_count = 0;
  int shared_bytes_per_block = 0;  ///< with opt-in
  uint64_t l2_bytes = 0, memory_bytes = 0;
};

class Runtime {
 public:
  virtual ~Runtime() = default;

  /// CUDA version of the driver as 1000 * major + 10 * minor; 0 when libcuda.so.1 cannot be loaded.
  virtual CudaStatus driver_version(int* version) = 0;
  /// CUDA version this library was built with.
  virtual CudaStatus runtime_version(int* version) = 0;
  /// The driver's own version ("580.82.07"), or "" where it is not told.
  virtual std::string driver_text() = 0;
  virtual CudaStatus device_count(int* count) = 0;
  virtual CudaStatus device_facts(int device, DeviceFacts* facts) = 0;
  /// The calling thread's device.
  virtual CudaStatus set_device(int device) = 0;
  virtual CudaStatus memory_info(size_t* free_bytes, size_t* total_bytes) = 0;
  virtual CudaStatus synchronize_device() = 0;

  virtual CudaStatus allocate(void** memory, size_t bytes) = 0;
  virtual CudaStatus free(void* memory) = 0;
  /// Host memory may be pageable: it is staged before the call returns, so it can go afterwards.
  virtual CudaStatus upload(void* device, const void* host, size_t bytes, Stream stream) = 0;
  virtual CudaStatus download(void* host, const void* device, size_t bytes, Stream stream) = 0;
  virtual CudaStatus fill(void* device, int byte, size_t bytes, Stream stream) = 0;

  virtual CudaStatus create_stream(Stream* stream) = 0;
  virtual CudaStatus destroy_stream(Stream stream) = 0;
  virtual CudaStatus synchronize(Stream stream) = 0;

  virtual CudaStatus create_event(Event* event) = 0;
  virtual CudaStatus destroy_event(Event event) = 0;
  /// While `stream` is being captured, `in_graph` makes the record a node of the graph: it happens at each replay.
  virtual CudaStatus record(Event event, Stream stream, bool in_graph) = 0;
  virtual CudaStatus elapsed_microseconds(double* microseconds, Event first, Event last) = 0;

  virtual CudaStatus begin_capture(Stream stream) = 0;
  virtual CudaStatus end_capture(Stream stream, Graph* graph) = 0;
  /// Ends a capture that is not wanted any more, whatever state it is in, and forgets its error.
  virtual void abandon_capture(Stream stream) = 0;
  /// Instantiates and destroys `graph`.
  virtual CudaStatus instantiate(GraphExec* executable, Graph graph) = 0;
  virtual CudaStatus launch(GraphExec executable, Stream stream) = 0;
  virtual CudaStatus destroy_graph(GraphExec executable) = 0;

  /// The last error of the calling thread, which this clears: kernel launches report here.
  virtual CudaStatus take_last_error() = 0;
  virtual const char* error_name(CudaStatus code) = 0;  ///< "cudaErrorIllegalAddress"
  virtual const char* error_text(CudaStatus code) = 0;  ///< "an illegal memory access was encountered"
};

}  // namespace moe::cuda
