// NativeTensor: a tensor in native memory.
#pragma once

#include <vector>

#include "addon/handle.h"
#include "core/tensor/inspect.h"
#include "core/tensor/tensor.h"

namespace moe::addon {

class TensorWrap : public Handle<TensorWrap, const Tensor> {
 public:
  static constexpr char kName[] = "NativeTensor";
  static Napi::FunctionReference& constructor(AddonData& data) { return data.tensor; }
  static Napi::Function define(Napi::Env env);
  using Handle::Handle;
  ~TensorWrap() override;

  /// A tensor whose storage nobody else holds (results of a run). The collector is told of its bytes: it sees a small
  /// object otherwise, and a run with taps would fill memory long before it collects.
  static Napi::Object wrap_owned(Napi::Env env, Tensor tensor);
  static Napi::Object wrap_tensor(Napi::Env env, Tensor tensor) { return wrap(env, std::make_shared<const Tensor>(std::move(tensor))); }
  static Napi::Array wrap_all(Napi::Env env, const std::vector<Tensor>& tensors);

 private:
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value tile(const Napi::CallbackInfo& info);
  Napi::Value histogram(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value pick(const Napi::CallbackInfo& info);
  Napi::Value plane_hashes(const Napi::CallbackInfo& info);

  int64_t told_bytes_ = 0;
};

/// A TileRequest argument; at most 2^20 cells.
TileRequest tile_request(const Napi::Value& value, const std::string& where);
/// A Tile as binding.ts has it.
Napi::Value tile_object(Napi::Env env, const Tile& tile);

}  // namespace moe::addon
