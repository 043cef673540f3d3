// Captured graphs, one per shape of a run, the least recently used dropped first.
#pragma once

#include <list>
#include <mutex>
#include <vector>

#include "cuda/launch.h"
#include "cuda/provider/checked.h"

namespace moe::cuda {

/// Records an event after each stage. Stage names are the family's, in the order of its work.
class EventMarks : public StageMarks {
 public:
  /// @param in_graph the records become nodes of the graph being captured
  EventMarks(Runtime& runtime, bool in_graph) : runtime_(runtime), in_graph_(in_graph) {}
  /// The event that the first stage counts from.
  void start(Stream stream);
  void after(const char* stage, cudaStream_t stream) override;
  /// Microseconds by stage since the last replay; a stage marked more than once is summed. Call when the work is done.
  std::vector<std::pair<std::string, double>> times() const;

 private:
  void record(const char* stage, Stream stream);

  Runtime& runtime_;
  bool in_graph_;
  std::vector<std::pair<std::string, OwnedEvent>> marks_;
};

/// A shape's graphs: the plain one that gives y and the total time, and one with an event after each stage.
struct ShapeGraphs {
  RunShape shape;
  OwnedGraph plain, staged;
  EventMarks marks;
};

class GraphCache {
 public:
  /// Shapes kept. A mixed workload of decode batches has T = 1 .. 16 and a few prefill sizes; a graph costs tens of KiB.
  static constexpr size_t kMost = 64;

  /// The shape's graphs, now the most recently used; null when they have to be captured.
  ShapeGraphs* find(const RunShape& shape);
  ShapeGraphs& insert(ShapeGraphs graphs);
  void clear() { graphs_.clear(); }
  size_t size() const { return graphs_.size(); }

 private:
  std::list<ShapeGraphs> graphs_;
};

/// Held while a stream is captured, and by who waits for the whole device meanwhile: such a wait in any thread fails and breaks the
/// capture, whatever its mode (CUDA programming guide, "Prohibited and Unhandled Operations"; NVIDIA/TensorRT#2888).
std::mutex& capture_lock();

/// Captures what `enqueue` puts on `stream`. The capture is ended also when it throws. @throws Error as check, and its own
template <class Enqueue>
OwnedGraph capture(Runtime& runtime, Stream stream, const Enqueue& enqueue) {
  const std::lock_guard lock(capture_lock());
  check(runtime, runtime.begin_capture(stream), "starting to capture a graph");
  try {
    enqueue();
  } catch (...) {
    runtime.abandon_capture(stream);
    throw;
  }
  Graph graph = nullptr;
  check(runtime, runtime.end_capture(stream, &graph), "capturing a graph");
  GraphExec executable = nullptr;
  check(runtime, runtime.instantiate(&executable, graph), "instantiating a graph");
  return {runtime, executable};
}

}  // namespace moe::cuda
