// CancelFlag: cooperative cancellation of native work.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

namespace moe::addon {

class CancelFlagWrap : public Napi::ObjectWrap<CancelFlagWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CancelFlagWrap(const Napi::CallbackInfo& info);
  /// The flag of a CancelFlag object; null for undefined. Throws `usage` for anything else.
  static std::shared_ptr<std::atomic<int32_t>> flag_of(const Napi::Value& value, const char* where);

 private:
  void cancel(const Napi::CallbackInfo& info);
  std::shared_ptr<std::atomic<int32_t>> flag_ = std::make_shared<std::atomic<int32_t>>(0);
};

}  // namespace moe::addon
