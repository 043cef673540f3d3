// One pool of threads for everything that computes tensors. Work is cut into numbered tasks whose results do not depend
// on which thread ran them, so the number of threads never changes a result.
#pragma once

#include <cstdint>
#include <functional>

namespace moe {

/// Runs task(0) .. task(count - 1), each once, on up to thread_count() threads (parallel.h), the calling one included, and returns
/// when all have ended.
/// May be called from any thread, also from inside a task. When tasks throw, the remaining ones are skipped and the
/// first exception is rethrown here.
void run_tasks(int64_t count, const std::function<void(int64_t)>& task);

/// While it lives, run_tasks calls of this thread use at most `threads` threads: for tests of determinism.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int previous_;
};

}  // namespace moe
