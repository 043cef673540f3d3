#include "core/parallel/pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/parallel/parallel.h"

namespace moe {
namespace {

thread_local int thread_limit = 0;  // 0 = no limit

/// How long a thread looks for what it waits for before it sleeps: stages of one batch follow each other closely, and being
/// woken takes about as long as the smallest of them. Yields meanwhile.
constexpr std::chrono::microseconds kPatience{60};

template <class Condition>
void look_for(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

/// One run_tasks: threads take numbers until none is left.
struct Job {
  Job(int64_t tasks, const std::function<void(int64_t)>& run, int helpers) : count(tasks), task(run), helpers_left(helpers) {}

  const int64_t count;
  const std::function<void(int64_t)>& task;
  int helpers_left;  // guarded by the pool's mutex
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  std::condition_variable ended;
  std::atomic<int> inside{0};    // threads at work, changed under `mutex`
  std::exception_ptr failure;    // guarded by `mutex`

  void work() {
    for (;;) {
      const int64_t index = next.fetch_add(1, std::memory_order_relaxed);
      if (index >= count) return;
      try {
        task(index);
      } catch (...) {
        next.store(count, std::memory_order_relaxed);
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  }
};

class Pool {
 public:
  explicit Pool(int helpers) {
    for (int i = 0; i < helpers; ++i) threads_.emplace_back([this] { serve(); });
  }

  void add(const std::shared_ptr<Job>& job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(job);
      waiting_ = jobs_.size();
    }
    wake_.notify_all();
  }

  void remove(const std::shared_ptr<Job>& job) {
    const std::lock_guard lock(mutex_);
    std::erase(jobs_, job);
    waiting_ = jobs_.size();
  }

 private:
  void serve() {
    for (;;) {
      std::shared_ptr<Job> job;
      look_for([this] { return waiting_.load(std::memory_order_relaxed) > 0; });
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !jobs_.empty(); });
        job = jobs_.front();
        if (--job->helpers_left <= 0) jobs_.pop_front();
        waiting_ = jobs_.size();
        const std::lock_guard inside(job->mutex);
        ++job->inside;
      }
      job->work();
      {
        const std::lock_guard lock(job->mutex);
        --job->inside;
      }
      job->ended.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;
  std::atomic<size_t> waiting_{0};  ///< jobs_.size(), to look at without the mutex
  std::vector<std::thread> threads_;
};

/// Never destroyed: its threads may still run while the process leaves main, and they hold nothing that needs ending.
Pool& pool() {
  static Pool* const shared = new Pool(thread_count() - 1);
  return *shared;
}

}  // namespace

void run_tasks(int64_t count, const std::function<void(int64_t)>& task) {
  if (count <= 0) return;
  const int threads = thread_limit > 0 ? std::min(thread_limit, thread_count()) : thread_count();
  const int helpers = static_cast<int>(std::min<int64_t>(threads - 1, count - 1));
  const auto job = std::make_shared<Job>(count, task, helpers);
  if (helpers > 0) pool().add(job);
  job->work();
  if (helpers > 0) {
    pool().remove(job);
    look_for([&] { return job->inside == 0; });
    std::unique_lock lock(job->mutex);
    job->ended.wait(lock, [&] { return job->inside == 0; });
  }
  if (job->failure) std::rethrow_exception(job->failure);
}

ThreadLimit::ThreadLimit(int threads) : previous_(thread_limit) { thread_limit = threads; }
ThreadLimit::~ThreadLimit() { thread_limit = previous_; }

}  // namespace moe
