// What one Node environment (main thread, worker, utility process) holds: no globals, so that several can load the addon.
#pragma once

#include <napi.h>

namespace moe::addon {

struct AddonData {
  Napi::FunctionReference cancel_flag;
  Napi::FunctionReference mapped_file;
  Napi::FunctionReference load_history;
  Napi::FunctionReference tensor;
  Napi::FunctionReference checkpoint_layer;
  Napi::FunctionReference prepared_layer;
  Napi::FunctionReference provider;
  Napi::FunctionReference provider_layer;

  static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

}  // namespace moe::addon
