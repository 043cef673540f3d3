// One pool of threads for everything that computes tensors. Work is cut into numbered tasks whose results do not depend
// on which thread ran them, so the number of threads never changes a result.
#pragma once

#include <cstdint>
#include <functional>

namespace moe {

/// Threads that take part in run_tasks, the caller included: MOESCOPE_THREADS (1..256), else one for each CPU. Read
/// once, at first use.
int pool_threads();

/// Runs task(0) .. task(count - 1), each once, on the pool and on the calling thread, and returns when all have ended.
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
