#include "addon/tensor_wrap.h"

#include <cstdio>
#include <cstring>

#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/mapped_file_wrap.h"
#include "addon/read_range.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxIndex = 1LL << 40;
constexpr int64_t kMaxCells = 1LL << 20;

Napi::Object stats_object(Napi::Env env, const TensorStats& stats) {
  Napi::Object out = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { out.Set(name, Napi::Number::New(env, value)); };
  set("count", static_cast<double>(stats.count));
  set("min", stats.min);
  set("max", stats.max);
  set("mean", stats.mean);
  set("rms", stats.rms);
  set("zero", static_cast<double>(stats.zero));
  set("subnormal", static_cast<double>(stats.subnormal));
  set("saturated", static_cast<double>(stats.saturated));
  set("nan", static_cast<double>(stats.nan));
  return out;
}

Napi::Array index_array(Napi::Env env, const int64_t* values, size_t count) {
  Napi::Array out = Napi::Array::New(env, count);
  for (size_t i = 0; i < count; ++i) out.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(values[i])));
  return out;
}

Napi::Object pick_object(Napi::Env env, const Tensor& tensor, const Pick& pick) {
  Napi::Object out = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { out.Set(name, Napi::Number::New(env, value)); };
  set("plane", static_cast<double>(pick.plane));
  set("row", static_cast<double>(pick.row));
  set("column", static_cast<double>(pick.column));
  set("linearOffset", static_cast<double>(pick.linear_offset));
  if (pick.swizzled_offset) {
    set("swizzledOffset", static_cast<double>(*pick.swizzled_offset));
    out.Set("mma6d", index_array(env, pick.mma6d.data(), pick.mma6d.size()));
  }
  // A JavaScript number holds 53 bits: 64-bit elements give their high word here and all of it in bitsHex.
  const int64_t width = tensor.layout == Layout::kFp4 ? 1 : 2 * dtype_bytes(tensor.dtype);
  set("bits", static_cast<double>(width == 16 ? pick.element.bits >> 32U : pick.element.bits));
  char hex[24];
  std::snprintf(hex, sizeof hex, "0x%0*llX", static_cast<int>(width), static_cast<unsigned long long>(pick.element.bits));
  out.Set("bitsHex", Napi::String::New(env, hex));
  set("value", pick.element.value);
  out.Set("kind", Napi::String::New(env, kind_name(pick.element.kind)));
  return out;
}

std::vector<int64_t> shape_argument(const Napi::Value& value, const std::string& where) {
  if (!value.IsArray()) throw_usage(where, "an array of sizes", describe(value));
  const auto array = value.As<Napi::Array>();
  std::vector<int64_t> shape;
  for (uint32_t i = 0; i < array.Length(); ++i) shape.push_back(to_integer(array.Get(i), where + "[" + std::to_string(i) + "]", 0, kMaxIndex));
  return shape;
}

/// The last two entries of `logicalShape` where it is given: rows and columns of a plane, unpadded.
std::vector<int64_t> logical_argument(const Fields& fields) {
  if (!fields.has("logicalShape")) return {};
  std::vector<int64_t> shape = shape_argument(fields.value("logicalShape"), fields.path("logicalShape"));
  if (shape.size() < 2) throw_usage(fields.path("logicalShape"), "two sizes or more", shape_text(shape));
  return {shape[shape.size() - 2], shape[shape.size() - 1]};
}

/// A swizzled tensor whose unpadded shape is not said is taken as unpadded.
std::vector<int64_t> logical_or_padded(std::vector<int64_t> logical, Layout layout, const std::vector<int64_t>& shape) {
  if (logical.empty() && layout == Layout::kSf128x4 && shape.size() >= 2) return {shape[shape.size() - 2], shape[shape.size() - 1]};
  return logical;
}

Napi::Value tensor_from_file(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto file = MappedFileWrap::native_of(info[0], "file");
    const Fields fields(info[1], "info");
    const auto offset = static_cast<uint64_t>(fields.integer("offset", 0, 9007199254740991));
    const auto bytes = static_cast<uint64_t>(fields.integer("bytes", 0, 9007199254740991));
    const std::vector<int64_t> shape = shape_argument(fields.value("shape"), fields.path("shape"));
    const Layout layout = layout_from_name(fields.text("layout"));
    const uint8_t* data = file->range(offset, bytes);
    return TensorWrap::wrap_tensor(info.Env(), borrow_tensor(fields.text("name"), dtype_from_name(fields.text("dtype")), layout, shape, file, data, bytes, logical_or_padded(logical_argument(fields), layout, shape)));
  });
}

Napi::Value tensor_from_bytes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) throw_usage("bytes", "a Uint8Array", describe(info[0]));
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const Fields fields(info[1], "info");
    const std::vector<int64_t> shape = shape_argument(fields.value("shape"), fields.path("shape"));
    const Layout layout = layout_from_name(fields.text("layout"));
    const auto backing = std::make_shared<HeapBacking>(bytes.ElementLength());
    if (bytes.ElementLength() > 0) std::memcpy(backing->data(), bytes.Data(), bytes.ElementLength());
    return TensorWrap::wrap_owned(info.Env(), borrow_tensor(fields.text("name"), dtype_from_name(fields.text("dtype")), layout, shape, backing, backing->data(), bytes.ElementLength(), logical_or_padded(logical_argument(fields), layout, shape)));
  });
}

}  // namespace

TileRequest tile_request(const Napi::Value& value, const std::string& where) {
  const Fields fields(value, where);
  TileRequest request;
  request.plane = fields.integer("plane", 0, kMaxIndex);
  request.row0 = fields.integer("row0", 0, kMaxIndex);
  request.rows = fields.integer("rows", 1, kMaxIndex);
  request.column0 = fields.integer("col0", 0, kMaxIndex);
  request.columns = fields.integer("cols", 1, kMaxIndex);
  request.out_rows = fields.integer("outRows", 1, kMaxCells);
  request.out_columns = fields.integer("outCols", 1, kMaxCells);
  if (request.out_rows * request.out_columns > kMaxCells) {
    throw_usage(where, "at most " + std::to_string(kMaxCells) + " cells", std::to_string(request.out_rows * request.out_columns));
  }
  return request;
}

Napi::Value tile_object(Napi::Env env, const Tile& tile) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("outRows", Napi::Number::New(env, static_cast<double>(tile.out_rows)));
  out.Set("outCols", Napi::Number::New(env, static_cast<double>(tile.out_columns)));
  out.Set("min", from_vector(env, tile.min));
  out.Set("max", from_vector(env, tile.max));
  out.Set("mean", from_vector(env, tile.mean));
  out.Set("marks", from_vector(env, tile.marks));
  return out;
}

Napi::Function TensorWrap::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod<&TensorWrap::info>("info"), InstanceMethod<&TensorWrap::read>("read"), InstanceMethod<&TensorWrap::tile>("tile"),
                      InstanceMethod<&TensorWrap::histogram>("histogram"), InstanceMethod<&TensorWrap::stats>("stats"), InstanceMethod<&TensorWrap::pick>("pick"),
                      InstanceMethod<&TensorWrap::plane_hashes>("planeHashes")});
}

TensorWrap::~TensorWrap() {
  if (told_bytes_ != 0) Napi::MemoryManagement::AdjustExternalMemory(Env(), -told_bytes_);
}

Napi::Object TensorWrap::wrap_owned(Napi::Env env, Tensor tensor) {
  const auto bytes = static_cast<int64_t>(tensor.bytes);
  const Napi::Object object = wrap_tensor(env, std::move(tensor));
  Unwrap(object)->told_bytes_ = bytes;
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  return object;
}

Napi::Array TensorWrap::wrap_all(Napi::Env env, const std::vector<Tensor>& tensors) {
  Napi::Array out = Napi::Array::New(env, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) out.Set(static_cast<uint32_t>(i), wrap_tensor(env, tensors[i]));
  return out;
}

Napi::Value TensorWrap::info(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const Tensor& tensor = *native();
    Napi::Object out = Napi::Object::New(env);
    out.Set("name", tensor.name);
    out.Set("dtype", dtype_name(tensor.dtype));
    out.Set("shape", index_array(env, tensor.shape.data(), tensor.shape.size()));
    out.Set("layout", layout_name(tensor.layout));
    out.Set("bytes", Napi::Number::New(env, static_cast<double>(tensor.bytes)));
    const int64_t logical[3] = {tensor.planes(), tensor.rows, tensor.columns};
    out.Set("logicalShape", index_array(env, logical, 3));
    if (!tensor.strides.empty()) out.Set("strides", index_array(env, tensor.strides.data(), tensor.strides.size()));
    return out;
  });
}

Napi::Value TensorWrap::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Tensor& tensor = *native();
    const auto [offset, length] = read_range(info, tensor.bytes, tensor.name);
    tensor.backing->ensure_readable();
    return from_bytes(info.Env(), tensor.data + offset, length);
  });
}

Napi::Value TensorWrap::tile(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    return AsyncTask<Tile>::start(
        info.Env(), {}, [tensor = native(), request = tile_request(info[0], "request")](const Task& task) { return moe::tile(*tensor, request, task); },
        [](Napi::Env env, Tile& tile) { return tile_object(env, tile); });
  });
}

Napi::Value TensorWrap::histogram(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using Counts = std::vector<double>;
    return AsyncTask<Counts>::start(
        info.Env(), {}, [tensor = native(), plane = to_integer(info[0], "plane", -1, kMaxIndex)](const Task& task) { return moe::histogram(*tensor, plane, task); },
        [](Napi::Env env, Counts& counts) { return from_vector(env, counts); });
  });
}

Napi::Value TensorWrap::stats(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using All = std::vector<TensorStats>;
    return AsyncTask<All>::start(
        info.Env(), {}, [tensor = native()](const Task& task) { return moe::stats(*tensor, task); },
        [](Napi::Env env, All& all) {
          Napi::Array out = Napi::Array::New(env, all.size());
          for (size_t i = 0; i < all.size(); ++i) out.Set(static_cast<uint32_t>(i), stats_object(env, all[i]));
          return out;
        });
  });
}

Napi::Value TensorWrap::pick(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Tensor& tensor = *native();
    return pick_object(info.Env(), tensor, moe::pick(tensor, to_integer(info[0], "plane", 0, kMaxIndex), to_integer(info[1], "row", 0, kMaxIndex), to_integer(info[2], "column", 0, kMaxIndex)));
  });
}

Napi::Value TensorWrap::plane_hashes(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using Hashes = std::vector<std::string>;
    return AsyncTask<Hashes>::start(
        info.Env(), {}, [tensor = native()](const Task& task) { return moe::plane_hashes(*tensor, task); },
        [](Napi::Env env, Hashes& hashes) {
          Napi::Array out = Napi::Array::New(env, hashes.size());
          for (size_t i = 0; i < hashes.size(); ++i) out.Set(static_cast<uint32_t>(i), Napi::String::New(env, hashes[i]));
          return out;
        });
  });
}

void init_tensor(Napi::Env env, Napi::Object exports) {
  AddonData::of(env).tensor = Napi::Persistent(TensorWrap::define(env));
  exports.Set("tensorFromFile", Napi::Function::New(env, tensor_from_file, "tensorFromFile"));
  exports.Set("tensorFromBytes", Napi::Function::New(env, tensor_from_bytes, "tensorFromBytes"));
}

}  // namespace moe::addon
