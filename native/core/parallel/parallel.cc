#include "core/parallel/parallel.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error/error.h"

namespace moe {

void Task::check() const {
  if (cancelled()) throw Error(code::kCancelled, "cancelled");
}

namespace {

int read_thread_count() {
  if (const char* text = std::getenv("MOESCOPE_THREADS")) {
    const int wanted = std::atoi(text);
    if (wanted >= 1) return std::min(wanted, 256);
  }
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) return CPU_COUNT(&allowed);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

int thread_count() {
  static const int count = read_thread_count();
  return count;
}

void parallel_for(int64_t count, const Task& task, const std::function<void(int64_t)>& body) {
  std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;  // guards `failure`, `done` and the progress callback
  std::exception_ptr failure;
  uint64_t done = 0;
  const auto work = [&] {
    for (int64_t i = next.fetch_add(1); i < count && !stop.load(std::memory_order_relaxed); i = next.fetch_add(1)) {
      try {
        task.check();
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        stop = true;
        return;
      }
      const std::lock_guard lock(mutex);
      ++done;
      if (task.progress) task.progress(done, static_cast<uint64_t>(count));
    }
  };
  std::vector<std::thread> threads;
  const auto wanted = std::min<int64_t>(thread_count(), count);
  for (int64_t i = 1; i < wanted; ++i) {
    try {
      threads.emplace_back(work);
    } catch (const std::system_error&) {
      break;  // no more threads to be had: the ones we have do it all
    }
  }
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace moe
