// CheckpointLayer and PreparedLayer handles.
#pragma once

#include "addon/handle.h"
#include "core/checkpoint/checkpoint.h"
#include "core/contract/contract.h"

namespace moe::addon {

class CheckpointLayerWrap : public Handle<CheckpointLayerWrap, const CheckpointLayer> {
 public:
  static constexpr char kName[] = "CheckpointLayer";
  static Napi::FunctionReference& constructor(AddonData& data) { return data.checkpoint_layer; }
  static Napi::Function define(Napi::Env env);
  using Handle::Handle;

 private:
  Napi::Value report(const Napi::CallbackInfo& info);
  Napi::Value tensors(const Napi::CallbackInfo& info);
};

class PreparedLayerWrap : public Handle<PreparedLayerWrap, const PreparedLayer> {
 public:
  static constexpr char kName[] = "PreparedLayer";
  static Napi::FunctionReference& constructor(AddonData& data) { return data.prepared_layer; }
  static Napi::Function define(Napi::Env env);
  using Handle::Handle;

 private:
  Napi::Value contract(const Napi::CallbackInfo& info);
  Napi::Value threshold(const Napi::CallbackInfo& info);
  Napi::Value tensors(const Napi::CallbackInfo& info);
  Napi::Value views(const Napi::CallbackInfo& info);
  Napi::Value byte_sets(const Napi::CallbackInfo& info);
  Napi::Value rearrange(const Napi::CallbackInfo& info);
  Napi::Value write_safetensors(const Napi::CallbackInfo& info);
};

}  // namespace moe::addon
