// info(), createCancelFlag() and the scalar conversions.
#include "addon/addon_data.h"
#include "addon/arguments.h"
#include "addon/cancel_flag.h"
#include "addon/init.h"
#include "cpu/simd.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/parallel/parallel.h"

namespace moe::addon {
namespace {

/// simd: levels compiled in, best first; activeSimd: the one chosen on this CPU.
Napi::Value info_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    Napi::Object out = Napi::Object::New(env);
    out.Set("version", MOESCOPE_VERSION);
    out.Set("napi", Napi::Number::New(env, NAPI_VERSION));
    const std::vector<cpu::Simd> levels = cpu::compiled_levels();
    Napi::Array simd = Napi::Array::New(env, levels.size());
    for (size_t i = 0; i < levels.size(); ++i) simd.Set(static_cast<uint32_t>(i), Napi::String::New(env, cpu::simd_name(levels[i])));
    out.Set("simd", simd);
    out.Set("activeSimd", cpu::simd_name(cpu::choose_simd()));
    out.Set("threads", Napi::Number::New(env, thread_count()));
    return out;
  });
}

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
  exports.Set("info", Napi::Function::New(env, info_of, "info"));
  exports.Set("createCancelFlag", Napi::Function::New(env, create_cancel_flag, "createCancelFlag"));
  exports.Set("e4m3ToFloat", Napi::Function::New(env, e4m3_to_float, "e4m3ToFloat"));
  exports.Set("e2m1ToFloat", Napi::Function::New(env, e2m1_to_float, "e2m1ToFloat"));
  exports.Set("floatToE4m3", Napi::Function::New(env, float_to_e4m3, "floatToE4m3"));
  exports.Set("floatToE2m1", Napi::Function::New(env, float_to_e2m1, "floatToE2m1"));
}

}  // namespace moe::addon
