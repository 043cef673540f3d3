// Native handles as JavaScript objects: a shared pointer inside an ObjectWrap.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon/addon_data.h"
#include "addon/arguments.h"

namespace moe::addon {

/// Base of the wraps around a shared native object. `Derived::kName` is the class's name, `Derived::constructor(data)` its
/// place in AddonData. Objects are made by wrap() only; `new X()` from script throws.
template <class Derived, class Native>
class Handle : public Napi::ObjectWrap<Derived> {
 public:
  using Pointer = std::shared_ptr<Native>;

  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Derived>(info) {
    guarded(info.Env(), [&] {
      if (info.Length() != 1 || !info[0].IsExternal()) throw_usage(std::string("new ") + Derived::kName, "made by the addon", "a call from script");
    });
    native_ = *info[0].As<Napi::External<Pointer>>().Data();
  }

  static Napi::Object wrap(Napi::Env env, Pointer native) {
    return Derived::constructor(AddonData::of(env)).New({Napi::External<Pointer>::New(env, &native)});
  }

  /// The native object of a handle. Throws `usage` naming `where` for another value.
  static Pointer native_of(const Napi::Value& value, const std::string& where) {
    const Napi::Env env = value.Env();
    if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(Derived::constructor(AddonData::of(env)).Value())) {
      throw_usage(where, std::string("a ") + Derived::kName, describe(value));
    }
    return Derived::Unwrap(value.As<Napi::Object>())->native();
  }

  /// Throws `wrong-state` when closed.
  const Pointer& native() const {
    if (!native_) throw Error(code::kWrongState, std::string(Derived::kName) + " is closed");
    return native_;
  }

 protected:
  void release() { native_.reset(); }

 private:
  Pointer native_;
};

}  // namespace moe::addon
