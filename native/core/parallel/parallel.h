// Long native work: progress, cancellation, and a loop over threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace moe {

/// What a long operation reports to and listens to. Both may be empty.
struct Task {
  /// Called with (done, total), from any of the threads but never by two at once; must not throw.
  std::function<void(uint64_t done, uint64_t total)> progress;
  /// Not 0: stop. The same memory is given to providers as moe_batch::cancel.
  const std::atomic<int32_t>* cancel = nullptr;

  bool cancelled() const { return cancel != nullptr && cancel->load(std::memory_order_relaxed) != 0; }
  /// Throws `cancelled`.
  void check() const;
};

/// Threads that native work may use: MOESCOPE_THREADS (1..256), else the CPUs this process may run on, at least 1. Read once, at
/// first use.
int thread_count();

/// Calls body(i) for i in [0, count), on up to thread_count() threads, in no fixed order; checks `task` before each call
/// and reports progress after each. The first exception ends the loop and is thrown here.
void parallel_for(int64_t count, const Task& task, const std::function<void(int64_t)>& body);

}  // namespace moe
