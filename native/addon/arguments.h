// Checked reading of JavaScript arguments: each failure is a `usage` error that names the argument.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "addon/errors.h"

namespace moe::addon {

/// "3", "a string", "undefined", "an object": for messages.
std::string describe(const Napi::Value& value);

std::string to_text(const Napi::Value& value, const std::string& where);
bool to_flag(const Napi::Value& value, const std::string& where);
double to_number(const Napi::Value& value, const std::string& where);
/// A whole number within [low, high].
int64_t to_integer(const Napi::Value& value, const std::string& where, int64_t low, int64_t high);
/// 64-bit pattern of a BigInt, or a non-negative safe integer.
uint64_t to_u64(const Napi::Value& value, const std::string& where);
Napi::Object to_object(const Napi::Value& value, const std::string& where);
bool absent(const Napi::Value& value);

template <class T>
struct TypedArrayName;
template <>
struct TypedArrayName<uint8_t> {
  static constexpr napi_typedarray_type type = napi_uint8_array;
  static constexpr const char* name = "a Uint8Array";
};
template <>
struct TypedArrayName<uint16_t> {
  static constexpr napi_typedarray_type type = napi_uint16_array;
  static constexpr const char* name = "a Uint16Array";
};
template <>
struct TypedArrayName<int32_t> {
  static constexpr napi_typedarray_type type = napi_int32_array;
  static constexpr const char* name = "an Int32Array";
};
template <>
struct TypedArrayName<float> {
  static constexpr napi_typedarray_type type = napi_float32_array;
  static constexpr const char* name = "a Float32Array";
};
template <>
struct TypedArrayName<double> {
  static constexpr napi_typedarray_type type = napi_float64_array;
  static constexpr const char* name = "a Float64Array";
};

/// Copies a typed array; `length` -1 takes any.
template <class T>
std::vector<T> to_vector(const Napi::Value& value, const std::string& where, int64_t length = -1) {
  using Name = TypedArrayName<T>;
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != Name::type) {
    throw_usage(where, Name::name, describe(value));
  }
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  if (length >= 0 && array.ElementLength() != static_cast<size_t>(length)) {
    throw_usage(where, std::string(Name::name) + " of " + std::to_string(length) + " elements", std::to_string(array.ElementLength()));
  }
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

/// A new typed array that V8 owns, filled from native memory: the one copy.
template <class T>
Napi::TypedArrayOf<T> from_vector(Napi::Env env, const std::vector<T>& values) {
  auto array = Napi::TypedArrayOf<T>::New(env, values.size(), TypedArrayName<T>::type);
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}
Napi::Uint8Array from_bytes(Napi::Env env, const uint8_t* bytes, size_t length);

/// One of `names`, as its index.
template <size_t N>
int32_t to_choice(const Napi::Value& value, const std::string& where, const char* const (&names)[N]) {
  const std::string text = to_text(value, where);
  std::string list;
  for (size_t i = 0; i < N; ++i) {
    if (text == names[i]) return static_cast<int32_t>(i);
    list += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  throw_usage(where, "one of " + list, "\"" + text + "\"");
}

/// Fields of one argument object: `fields.integer("hidden", 1, 1 << 20)` reports as "spec.hidden".
class Fields {
 public:
  Fields(const Napi::Value& value, std::string where) : object_(to_object(value, where)), where_(std::move(where)) {}

  Napi::Value value(const char* key) const { return object_.Get(key); }
  std::string path(const char* key) const { return where_ + "." + key; }
  bool has(const char* key) const { return !absent(object_.Get(key)); }
  std::string text(const char* key) const { return to_text(value(key), path(key)); }
  bool flag(const char* key) const { return to_flag(value(key), path(key)); }
  double number(const char* key) const { return to_number(value(key), path(key)); }
  int64_t integer(const char* key, int64_t low, int64_t high) const { return to_integer(value(key), path(key), low, high); }
  template <class T>
  std::vector<T> vector(const char* key, int64_t length = -1) const {
    return to_vector<T>(value(key), path(key), length);
  }

 private:
  Napi::Object object_;
  std::string where_;
};

}  // namespace moe::addon
