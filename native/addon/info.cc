// info(), createCancelFlag() and the scalar conversions.
#include "addon/addon_data.h"
#include "addon/arguments.h"
#include "addon/cancel_flag.h"
#include "addon/init.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"

namespace moe::addon {
namespace {

Napi::Value create_cancel_flag(const Napi::CallbackInfo& info) {
  return AddonData::of(info.Env()).cancel_flag.New({});
}

Napi::Value e4m3_to_float(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), e4m3_decode(static_cast<uint8_t>(to_integer(info[0], "code", 0, 255))));
  });
}

Napi::Value e2m1_to_float(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), e2m1_decode(static_cast<uint8_t>(to_integer(info[0], "code", 0, 15))));
  });
}

Napi::Value float_to_e4m3(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), e4m3_encode(to_number(info[0], "value"))); });
}

Napi::Value float_to_e2m1(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), e2m1_encode(to_number(info[0], "value"))); });
}

}  // namespace

void init_info(Napi::Env env, Napi::Object exports) {
  AddonData::of(env).cancel_flag = Napi::Persistent(CancelFlagWrap::define(env));
  exports.Set("createCancelFlag", Napi::Function::New(env, create_cancel_flag, "createCancelFlag"));
  exports.Set("e4m3ToFloat", Napi::Function::New(env, e4m3_to_float, "e4m3ToFloat"));
  exports.Set("e2m1ToFloat", Napi::Function::New(env, e2m1_to_float, "e2m1ToFloat"));
  exports.Set("floatToE4m3", Napi::Function::New(env, float_to_e4m3, "floatToE4m3"));
  exports.Set("floatToE2m1", Napi::Function::New(env, float_to_e2m1, "floatToE2m1"));
}

}  // namespace moe::addon
