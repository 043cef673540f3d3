// A CUDA runtime and a family of kernels without a GPU: device memory is host memory, a kernel is a function that runs when
// its stream is waited for, a captured graph is a list of them. Tests say what fails.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "core/error/error.h"
#include "core/provider/library.h"
#include "cuda/copy_error.h"
#include "cuda/provider/cuda_provider.h"

namespace moe::test {

class FakeCuda final : public cuda::Runtime {
 public:
  using Status = cuda::CudaStatus;
  using Work = std::function<void()>;

  // What the machine is like.
  int driver = 13000;
  int devices = 1;
  cuda::DeviceFacts facts{"Fake H100", 9, 0, 132, 232448, 50 << 20, 80ULL << 30};
  size_t capacity = size_t{64} << 20;
  // What goes wrong.
  Status fault = 0;            ///< every call fails with it from the next wait on
  bool fault_pending = false;  ///< set by a kernel
  Status capture_fails = 0;
  // What was seen.
  size_t allocated = 0, most_allocated = 0, uploaded = 0;
  bool unguarded = false;  ///< somebody waited for the whole device, or captured, and another thread might have done the other
  int captures = 0, launches = 0, fills = 0, live_graphs = 0, live_events = 0, live_streams = 0, abandoned = 0;

  /// A kernel launch of a fake family.
  void enqueue(Work work) { (capturing_ != nullptr ? *capturing_ : pending_).push_back(std::move(work)); }
  bool capturing() const { return capturing_ != nullptr; }
  /// A call of a fake family that fails without anybody asking for the last error.
  void leave_error(Status code) { last_ = code; }

  Status driver_version(int* version) override { return *version = driver, 0; }
  Status runtime_version(int* version) override { return *version = 13000, 0; }
  std::string driver_text() override { return "580.82.07"; }
  Status device_count(int* count) override { return *count = devices, devices == 0 ? cuda::status::kNoDevice : state(); }
  Status device_facts(int, cuda::DeviceFacts* out) override { return *out = facts, state(); }
  Status set_device(int) override { return state(); }
  Status memory_info(size_t* free_bytes, size_t* total_bytes) override { return *free_bytes = capacity - allocated, *total_bytes = capacity, state(); }
  Status synchronize_device() override { return note_guard(), drain(); }

  Status allocate(void** memory, size_t bytes) override {
    if (state() != 0) return state();
    if (allocated + bytes > capacity) return last_ = cuda::status::kMemoryAllocation;
    *memory = std::malloc(bytes);
    std::memset(*memory, 0xCD, bytes);
    sizes_[*memory] = bytes;
    allocated += bytes;
    most_allocated = std::max(most_allocated, allocated);
    return 0;
  }
  Status free(void* memory) override {
    allocated -= sizes_.at(memory);
    sizes_.erase(memory);
    std::free(memory);
    return state();
  }
  Status upload(void* device, const void* host, size_t bytes, cuda::Stream) override {
    uploaded += bytes;
    drain();
    return std::memcpy(device, host, bytes), state();
  }
  Status download(void* host, const void* device, size_t bytes, cuda::Stream) override {
    enqueue([=] { std::memcpy(host, device, bytes); });
    return state();
  }
  Status fill(void* device, int byte, size_t bytes, cuda::Stream) override {
    ++fills;
    enqueue([=] { std::memset(device, byte, bytes); });
    return state();
  }

  Status create_stream(cuda::Stream* stream) override { return *stream = handle<cuda::Stream>(), ++live_streams, state(); }
  Status destroy_stream(cuda::Stream) override { return --live_streams, state(); }
  Status synchronize(cuda::Stream) override { return drain(); }

  Status create_event(cuda::Event* event) override { return *event = handle<cuda::Event>(), ++live_events, state(); }
  Status destroy_event(cuda::Event) override { return --live_events, state(); }
  Status record(cuda::Event event, cuda::Stream, bool) override {
    enqueue([this, event] { recorded_[event] = ++clock_; });
    return state();
  }
  Status elapsed_microseconds(double* microseconds, cuda::Event first, cuda::Event last) override {
    return *microseconds = static_cast<double>(recorded_.at(last) - recorded_.at(first)), state();
  }

  Status begin_capture(cuda::Stream) override {
    ++captures;
    note_guard();
    capturing_ = std::make_unique<std::vector<Work>>();
    return state();
  }
  Status end_capture(cuda::Stream, cuda::Graph* graph) override {
    if (capture_fails != 0) return capturing_.reset(), last_ = capture_fails;
    *graph = handle<cuda::Graph>();
    graphs_[*graph] = std::move(*capturing_);
    capturing_.reset();
    return state();
  }
  void abandon_capture(cuda::Stream) override {
    ++abandoned;
    capturing_.reset();
    last_ = 0;
  }
  Status instantiate(cuda::GraphExec* executable, cuda::Graph graph) override {
    ++live_graphs;
    *executable = handle<cuda::GraphExec>();
    executables_[*executable] = graphs_.at(graph);
    return state();
  }
  Status launch(cuda::GraphExec executable, cuda::Stream) override {
    ++launches;
    for (const Work& work : executables_.at(executable)) pending_.push_back(work);
    return state();
  }
  Status destroy_graph(cuda::GraphExec executable) override { return executables_.erase(executable), --live_graphs, state(); }

  Status take_last_error() override {
    const Status last = std::exchange(last_, 0);
    return last != 0 ? last : state();
  }
  const char* error_name(Status code) override { return code == cuda::status::kIllegalAddress ? "cudaErrorIllegalAddress" : "cudaErrorOther"; }
  const char* error_text(Status code) override { return code == cuda::status::kIllegalAddress ? "an illegal memory access was encountered" : "another error"; }

 private:
  template <class Handle>
  Handle handle() {
    return reinterpret_cast<Handle>(++handles_);
  }
  Status state() const { return broken_ ? fault : 0; }
  Status drain() {
    for (const Work& work : std::exchange(pending_, {})) {
      if (!broken_) work();
      broken_ = broken_ || fault_pending;
    }
    return state();
  }

  void note_guard() {
    std::thread([this] {
      const std::unique_lock lock(cuda::capture_lock(), std::try_to_lock);
      unguarded = unguarded || lock.owns_lock();
    }).join();
  }

  bool broken_ = false;
  Status last_ = 0;
  uintptr_t handles_ = 0;
  int64_t clock_ = 0;
  std::vector<Work> pending_;
  std::unique_ptr<std::vector<Work>> capturing_;
  std::map<void*, size_t> sizes_;
  std::map<cuda::Event, int64_t> recorded_;
  std::map<cuda::Graph, std::vector<Work>> graphs_;
  std::map<cuda::GraphExec, std::vector<Work>> executables_;
};

/// y = x, every tap is filled with its own byte: what the host side does with buffers shows in the results.
class FakeFamily final : public cuda::KernelFamily {
 public:
  FakeFamily(FakeCuda& cuda, const char* name) : cuda_(cuda), name_(name) {}

  const char* why_not = nullptr;
  bool taps_change_y = false, faults = false, throws = false;
  bool notices_fault = false;  ///< a later launch of the run that faults is refused for it, as check_launch tells it
  std::optional<Error> prepare_throws;
  int faults_at = 0;  ///< a batch of so many tokens faults too
  mutable int enqueued = 0, prepared = 0;
  mutable bool marked = false, loads_in_capture = false;  ///< the first run with marks was a captured one
  mutable cuda::DeviceLayer prepared_for;  ///< the layer of the last prepare
  static constexpr size_t kWorkspace = 5000;

  const char* name() const override { return name_; }
  const char* refuses(const cuda::DeviceLayer&, const cuda::RunShape&) const override { return why_not; }
  cuda::FamilyLayer* prepare(const cuda::DeviceLayer& given) const override {
    if (faults) cuda_.enqueue([this] { cuda_.fault_pending = true; });
    if (prepare_throws) throw *prepare_throws;
    ++prepared;
    prepared_for = given;
    struct Own final : cuda::FamilyLayer {
      uint64_t bytes() const override { return 1000; }
    };
    return new Own;
  }
  size_t workspace_bytes(const cuda::DeviceLayer&, const cuda::FamilyLayer*, const cuda::RunShape& shape) const override { return kWorkspace + static_cast<size_t>(shape.tokens) * 64; }
  void enqueue(const cuda::DeviceLayer& layer, const cuda::FamilyLayer* own, const cuda::RunShape& shape, const cuda::DeviceBatch& batch, cudaStream_t stream, cuda::StageMarks* marks) const override {
    ++enqueued;
    if (throws && cuda_.capturing()) throw Error(code::kInternal, "this launch went wrong");
    const size_t count = static_cast<size_t>(shape.tokens) * static_cast<size_t>(layer.hidden);
    const size_t pairs = static_cast<size_t>(shape.tokens * layer.top_k);
    const bool change = taps_change_y && shape.taps != MOE_TAP_NONE;
    cuda_.enqueue([=, this, bytes = workspace_bytes(layer, own, shape)] {
      cuda_.fault_pending = cuda_.fault_pending || faults || shape.tokens == faults_at;
      std::memset(batch.workspace, 0xEE, bytes);
      std::memcpy(batch.y, batch.x, count * sizeof(uint16_t));
      if (change) batch.y[count - 1] ^= 1;
    });
    if (notices_fault) throw Error(code::kInternal, "fc2 failed: cudaErrorIllegalAddress (an illegal memory access was encountered)");
    if (marks != nullptr) {
      loads_in_capture = loads_in_capture || (!marked && cuda_.capturing());
      marked = true;
      for (const char* stage : {"quantize", "fc1", "activation", "fc2", "finalize"}) marks->after(stage, stream);
    }
    const auto fill = [&](void* tap, int byte, size_t bytes) {
      if (tap != nullptr) cuda_.enqueue([=] { std::memset(tap, byte, bytes); });
    };
    fill(batch.x_q, 1, 1);
    fill(batch.fc1, 4, pairs * static_cast<size_t>(2 * layer.intermediate) * sizeof(float));
    fill(batch.fc2, 64, pairs * static_cast<size_t>(layer.hidden) * sizeof(float));
  }

 private:
  FakeCuda& cuda_;
  const char* name_;
};

/// A machine with a GPU and every family.
struct FakeMachine {
  FakeCuda driver;
  FakeFamily native{driver, "b12x-native"}, emulated{driver, "b12x-emulated"}, upcast{driver, "b12x-upcast"};
  FakeFamily sm90{driver, "cutlass-sm90"}, sm120{driver, "cutlass-sm120"};
  cuda::Backend backend{driver, {&native, &emulated, &upcast, &sm90, &sm120}};

  std::shared_ptr<const Provider> provider() { return Provider::wrap(cuda::provider(backend), "cuda"); }
};

}  // namespace moe::test
