#include "addon/cancel_flag.h"

#include "addon/addon_data.h"
#include "addon/arguments.h"

namespace moe::addon {

Napi::Function CancelFlagWrap::define(Napi::Env env) {
  return DefineClass(env, "CancelFlag", {InstanceMethod<&CancelFlagWrap::cancel>("cancel")});
}

CancelFlagWrap::CancelFlagWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CancelFlagWrap>(info) {}

void CancelFlagWrap::cancel(const Napi::CallbackInfo&) { flag_->store(1); }

std::shared_ptr<std::atomic<int32_t>> CancelFlagWrap::flag_of(const Napi::Value& value, const char* where) {
  if (absent(value)) return nullptr;
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(AddonData::of(value.Env()).cancel_flag.Value())) {
    throw_usage(where, "a CancelFlag", describe(value));
  }
  return Unwrap(value.As<Napi::Object>())->flag_;
}

}  // namespace moe::addon
