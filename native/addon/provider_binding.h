// Provider and ProviderLayer handles.
#pragma once

#include "addon/handle.h"
#include "core/provider/library.h"

namespace moe::addon {

class ProviderWrap : public Handle<ProviderWrap, const Provider> {
 public:
  static constexpr char kName[] = "Provider";
  static Napi::FunctionReference& constructor(AddonData& data) { return data.provider; }
  static Napi::Function define(Napi::Env env);
  using Handle::Handle;

 private:
  Napi::Value name(const Napi::CallbackInfo& info);
  Napi::Value version(const Napi::CallbackInfo& info);
  Napi::Value capabilities(const Napi::CallbackInfo& info);
  Napi::Value probe(const Napi::CallbackInfo& info);
  Napi::Value create_layer(const Napi::CallbackInfo& info);
};

class ProviderLayerWrap : public Handle<ProviderLayerWrap, ProviderLayer> {
 public:
  static constexpr char kName[] = "ProviderLayer";
  static Napi::FunctionReference& constructor(AddonData& data) { return data.provider_layer; }
  static Napi::Function define(Napi::Env env);
  using Handle::Handle;

 private:
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value history(const Napi::CallbackInfo& info);
  Napi::Value resum_noise(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  /// The native layer goes when the last run that holds it ends.
  Napi::Value destroy(const Napi::CallbackInfo& info);
};

/// A RunRequest. @throws Error `usage`
RunInput run_argument(const Fields& fields);

}  // namespace moe::addon
