// The real CUDA runtime, linked statically: it opens libcuda.so.1 itself, so this library loads where there is no driver.
#include <cuda_runtime_api.h>

#include <fstream>

#include "cuda/provider/cuda_provider.h"

namespace moe::cuda {
namespace {

class CudartRuntime final : public Runtime {
 public:
  CudaStatus driver_version(int* version) override { return cudaDriverGetVersion(version); }
  CudaStatus runtime_version(int* version) override { return cudaRuntimeGetVersion(version); }
  std::string driver_text() override {
    std::string text;
    std::ifstream("/sys/module/nvidia/version") >> text;
    return text;
  }
  CudaStatus device_count(int* count) override { return cudaGetDeviceCount(count); }

  CudaStatus device_facts(int device, DeviceFacts* facts) override {
    cudaDeviceProp properties{};
    const cudaError_t code = cudaGetDeviceProperties(&properties, device);
    if (code != cudaSuccess) return code;
    facts->name = properties.name;
    facts->major = properties.major;
    facts->minor = properties.minor;
    facts->sm_count = properties.multiProcessorCount;
    facts->shared_bytes_per_block = static_cast<int>(properties.sharedMemPerBlockOptin);
    facts->l2_bytes = static_cast<uint64_t>(properties.l2CacheSize);
    facts->memory_bytes = properties.totalGlobalMem;
    return code;
  }

  CudaStatus set_device(int device) override { return cudaSetDevice(device); }
  CudaStatus memory_info(size_t* free_bytes, size_t* total_bytes) override { return cudaMemGetInfo(free_bytes, total_bytes); }
  CudaStatus synchronize_device() override { return cudaDeviceSynchronize(); }

  CudaStatus allocate(void** memory, size_t bytes) override { return cudaMalloc(memory, bytes); }
  CudaStatus free(void* memory) override { return cudaFree(memory); }
  CudaStatus upload(void* device, const void* host, size_t bytes, Stream stream) override { return cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream); }
  CudaStatus download(void* host, const void* device, size_t bytes, Stream stream) override { return cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream); }
  CudaStatus fill(void* device, int byte, size_t bytes, Stream stream) override { return cudaMemsetAsync(device, byte, bytes, stream); }

  CudaStatus create_stream(Stream* stream) override { return cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking); }
  CudaStatus destroy_stream(Stream stream) override { return cudaStreamDestroy(stream); }
  CudaStatus synchronize(Stream stream) override { return cudaStreamSynchronize(stream); }

  CudaStatus create_event(Event* event) override { return cudaEventCreate(event); }
  CudaStatus destroy_event(Event event) override { return cudaEventDestroy(event); }
  CudaStatus record(Event event, Stream stream, bool in_graph) override {
    return cudaEventRecordWithFlags(event, stream, in_graph ? cudaEventRecordExternal : cudaEventRecordDefault);
  }
  CudaStatus elapsed_microseconds(double* microseconds, Event first, Event last) override {
    float milliseconds = 0;
    const cudaError_t code = cudaEventElapsedTime(&milliseconds, first, last);
    *microseconds = static_cast<double>(milliseconds) * 1000.0;
    return code;
  }

  // Thread-local: another thread may allocate for its own layer meanwhile.
  CudaStatus begin_capture(Stream stream) override { return cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal); }
  CudaStatus end_capture(Stream stream, Graph* graph) override { return cudaStreamEndCapture(stream, graph); }
  void abandon_capture(Stream stream) override {
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
  }
  CudaStatus instantiate(GraphExec* executable, Graph graph) override {
    const cudaError_t code = cudaGraphInstantiate(executable, graph, 0);
    cudaGraphDestroy(graph);
    return code;
  }
  CudaStatus launch(GraphExec executable, Stream stream) override { return cudaGraphLaunch(executable, stream); }
  CudaStatus destroy_graph(GraphExec executable) override { return cudaGraphExecDestroy(executable); }

  CudaStatus take_last_error() override { return cudaGetLastError(); }
  const char* error_name(CudaStatus code) override { return cudaGetErrorName(static_cast<cudaError_t>(code)); }
  const char* error_text(CudaStatus code) override { return cudaGetErrorString(static_cast<cudaError_t>(code)); }
};

}  // namespace

Runtime& cudart_runtime() {
  static CudartRuntime runtime;
  return runtime;
}

}  // namespace moe::cuda
