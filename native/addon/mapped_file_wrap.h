// MappedFile: a read-only memory map.
#pragma once

#include "addon/handle.h"
#include "core/checkpoint/mapped_file.h"

namespace moe::addon {

class MappedFileWrap : public Handle<MappedFileWrap, const MappedFile> {
 public:
  static constexpr char kName[] = "MappedFile";
  static Napi::FunctionReference& constructor(AddonData& data) { return data.mapped_file; }
  static Napi::Function define(Napi::Env env);
  using Handle::Handle;

 private:
  Napi::Value path(const Napi::CallbackInfo& info);
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  /// Tensors over the file keep its map; only this handle lets go.
  Napi::Value close(const Napi::CallbackInfo& info);
};

}  // namespace moe::addon
