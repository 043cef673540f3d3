#include "addon/mapped_file_wrap.h"

#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/read_range.h"

namespace moe::addon {

Napi::Function MappedFileWrap::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&MappedFileWrap::path>("path"), InstanceAccessor<&MappedFileWrap::size>("size"), InstanceMethod<&MappedFileWrap::read>("read"),
                      InstanceMethod<&MappedFileWrap::close>("close")});
}

Napi::Value MappedFileWrap::path(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), native()->path()); });
}

Napi::Value MappedFileWrap::size(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(native()->size())); });
}

Napi::Value MappedFileWrap::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto [offset, length] = read_range(info, native()->size(), native()->path());
    native()->ensure_readable();
    return from_bytes(info.Env(), native()->range(offset, length), length);
  });
}

Napi::Value MappedFileWrap::close(const Napi::CallbackInfo& info) {
  release();
  return info.Env().Undefined();
}

namespace {

Napi::Value map_file(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using File = std::shared_ptr<const MappedFile>;
    std::string path = to_text(info[0], "path");
    return AsyncTask<File>::start(
        info.Env(), {}, [path = std::move(path)](const Task&) { return MappedFile::open(path); },
        [](Napi::Env env, File& file) { return MappedFileWrap::wrap(env, file); });
  });
}

}  // namespace

void init_mapped_file(Napi::Env env, Napi::Object exports) {
  AddonData::of(env).mapped_file = Napi::Persistent(MappedFileWrap::define(env));
  exports.Set("mapFile", Napi::Function::New(env, map_file, "mapFile"));
}

}  // namespace moe::addon
