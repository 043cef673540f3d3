// Work on a thread of libuv's pool, answered by a promise. The work touches no JavaScript; arguments are converted before
// it starts, results after it ends, on the JavaScript thread.
#pragma once

#include <napi.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "addon/cancel_flag.h"
#include "addon/errors.h"
#include "core/parallel/parallel.h"

namespace moe::addon {

/// `cancel` and `onProgress` of a TaskOptions argument; empty where they are not given.
struct TaskHooks {
  std::shared_ptr<std::atomic<int32_t>> cancel;
  std::shared_ptr<Napi::ThreadSafeFunction> progress;  // released with its last owner, else Node would never exit

  /// Throws `usage` for a malformed options object.
  static TaskHooks from(Napi::Env env, const Napi::Value& options);
};

/// Runs `work(task)` and resolves with `convert(env, result)`. Native errors reject with their code.
template <class Result>
class AsyncTask final : public Napi::AsyncWorker {
 public:
  using Work = std::function<Result(const Task&)>;
  using Convert = std::function<Napi::Value(Napi::Env, Result&)>;

  static Napi::Promise start(Napi::Env env, TaskHooks hooks, Work work, Convert convert) {
    auto* worker = new AsyncTask(env, std::move(hooks), std::move(work), std::move(convert));  // deletes itself when done
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

 private:
  AsyncTask(Napi::Env env, TaskHooks hooks, Work work, Convert convert)
      : Napi::AsyncWorker(env, "moescope"), deferred_(Napi::Promise::Deferred::New(env)), hooks_(std::move(hooks)), work_(std::move(work)), convert_(std::move(convert)) {}
  void Execute() override {
    try {
      Task task;
      task.cancel = hooks_.cancel.get();
      if (hooks_.progress) task.progress = [this](uint64_t done, uint64_t total) { report(done, total); };
      task.check();
      result_.emplace(work_(task));
    } catch (...) {
      error_ = to_moe_error(std::current_exception());
      SetError(error_->message());
    }
  }

  /// At most about 20 reports a second, and the last one.
  void report(uint64_t done, uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (done != total && now - reported_ < std::chrono::milliseconds(50)) return;
    reported_ = now;
    hooks_.progress->NonBlockingCall([done, total](Napi::Env env, Napi::Function callback) {
      callback.Call({Napi::Number::New(env, static_cast<double>(done)), Napi::Number::New(env, static_cast<double>(total))});
    });
  }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    settle([&] {
      try {
        deferred_.Resolve(convert_(Env(), *result_));
      } catch (const Napi::Error& error) {
        deferred_.Reject(error.Value());
      } catch (const std::exception&) {
        deferred_.Reject(to_js_error(Env(), to_moe_error(std::current_exception())).Value());
      }
    });
  }

  void OnError(const Napi::Error& thrown) override {
    const Napi::HandleScope scope(Env());
    settle([&] { deferred_.Reject(error_ ? to_js_error(Env(), *error_).Value() : thrown.Value()); });
  }

  /// An environment that is being torn down (a worker ended while work was under way) runs no JavaScript: every call
  /// throws, and nobody waits for the promise any more.
  template <class Body>
  void settle(Body&& body) {
    try {
      body();
    } catch (const Napi::Error&) {
    }
  }

  Napi::Promise::Deferred deferred_;
  TaskHooks hooks_;
  Work work_;
  Convert convert_;
  std::optional<Result> result_;
  std::optional<Error> error_;
  std::chrono::steady_clock::time_point reported_{};
};

/// A binding that answers with a promise: what is thrown while arguments are read rejects it.
template <class Body>
Napi::Value promised(Napi::Env env, Body&& body) {
  const auto rejected = [&](const Napi::Value& reason) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(reason);
    return deferred.Promise();
  };
  try {
    return body();
  } catch (const Napi::Error& error) {
    return rejected(error.Value());
  } catch (const std::exception&) {
    return rejected(to_js_error(env, to_moe_error(std::current_exception())).Value());
  }
}

}  // namespace moe::addon
