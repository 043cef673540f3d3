// LoadHistory: rows per expert of every batch of a run.
#pragma once

#include "addon/handle.h"
#include "core/routing/load_history.h"

namespace moe::addon {

class LoadHistoryWrap : public Handle<LoadHistoryWrap, LoadHistory> {
 public:
  static constexpr char kName[] = "LoadHistory";
  static Napi::FunctionReference& constructor(AddonData& data) { return data.load_history; }
  static Napi::Function define(Napi::Env env);
  /// createLoadHistory(experts, topK, exactBytes?)
  static Napi::Value create(const Napi::CallbackInfo& info);
  using Handle::Handle;

 private:
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value append(const Napi::CallbackInfo& info);
  Napi::Value window(const Napi::CallbackInfo& info);
};

}  // namespace moe::addon
