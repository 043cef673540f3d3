#include "addon/arguments.h"

#include <cmath>
#include <cstring>

namespace moe::addon {

std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined: return "nothing";
    case napi_null: return "null";
    case napi_boolean: return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number:
    case napi_bigint: return value.ToString().Utf8Value();
    case napi_string: return std::string(1, '"').append(value.As<Napi::String>().Utf8Value()).append(1, '"');
    case napi_function: return "a function";
    case napi_symbol: return "a symbol";
    default: return value.IsTypedArray() ? "another typed array" : value.IsArray() ? "an array" : "an object";
  }
}

bool absent(const Napi::Value& value) { return value.IsUndefined() || value.IsNull(); }

std::string to_text(const Napi::Value& value, const std::string& where) {
  if (!value.IsString()) throw_usage(where, "a string", describe(value));
  return value.As<Napi::String>().Utf8Value();
}

bool to_flag(const Napi::Value& value, const std::string& where) {
  if (!value.IsBoolean()) throw_usage(where, "true or false", describe(value));
  return value.As<Napi::Boolean>().Value();
}

double to_number(const Napi::Value& value, const std::string& where) {
  if (!value.IsNumber()) throw_usage(where, "a number", describe(value));
  return value.As<Napi::Number>().DoubleValue();
}

int64_t to_integer(const Napi::Value& value, const std::string& where, int64_t low, int64_t high) {
  const std::string expected = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  if (!value.IsNumber()) throw_usage(where, expected, describe(value));
  const double number = value.As<Napi::Number>().DoubleValue();
  // NaN fails every comparison; bounds are below 2^53, so the conversions are exact.
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || std::trunc(number) != number) {
    throw_usage(where, expected, describe(value));
  }
  return static_cast<int64_t>(number);
}

uint64_t to_u64(const Napi::Value& value, const std::string& where) {
  if (value.IsBigInt()) {
    bool lossless = false;
    const uint64_t bits = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return bits;
    throw_usage(where, "a BigInt from 0 to 2^64 - 1", describe(value));
  }
  return static_cast<uint64_t>(to_integer(value, where, 0, 9007199254740991));
}

Napi::Object to_object(const Napi::Value& value, const std::string& where) {
  if (!value.IsObject() || value.IsArray()) throw_usage(where, "an object", describe(value));
  return value.As<Napi::Object>();
}

Napi::Uint8Array from_bytes(Napi::Env env, const uint8_t* bytes, size_t length) {
  auto array = Napi::Uint8Array::New(env, length);
  if (length > 0) std::memcpy(array.Data(), bytes, length);
  return array;
}

}  // namespace moe::addon
