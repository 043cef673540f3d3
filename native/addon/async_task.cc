#include "addon/async_task.h"

#include "addon/arguments.h"

namespace moe::addon {

TaskHooks TaskHooks::from(Napi::Env env, const Napi::Value& options) {
  TaskHooks hooks;
  if (absent(options)) return hooks;
  const Fields fields(options, "options");
  hooks.cancel = CancelFlagWrap::flag_of(fields.value("cancel"), "options.cancel");
  if (fields.has("onProgress")) {
    const Napi::Value callback = fields.value("onProgress");
    if (!callback.IsFunction()) throw_usage("options.onProgress", "a function", describe(callback));
    // Queue of any length: reports are limited in time, and a full queue would lose the last one.
    hooks.progress = std::shared_ptr<Napi::ThreadSafeFunction>(
        new Napi::ThreadSafeFunction(Napi::ThreadSafeFunction::New(env, callback.As<Napi::Function>(), "moescope progress", 0, 1)),
        [](Napi::ThreadSafeFunction* function) {
          function->Release();
          delete function;
        });
  }
  return hooks;
}

}  // namespace moe::addon
