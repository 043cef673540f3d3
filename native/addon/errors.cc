#include "addon/errors.h"

#include <variant>

namespace moe::addon {

Napi::Error to_js_error(Napi::Env env, const Error& error) {
  Napi::Error out = Napi::Error::New(env, error.message());
  out.Set("code", Napi::String::New(env, error.code()));
  if (!error.details().empty()) {
    Napi::Object details = Napi::Object::New(env);
    for (const auto& [name, value] : error.details()) {
      if (const auto* text = std::get_if<std::string>(&value)) details.Set(name, *text);
      if (const auto* number = std::get_if<double>(&value)) details.Set(name, *number);
      if (const auto* flag = std::get_if<bool>(&value)) details.Set(name, *flag);
    }
    out.Set("details", details);
  }
  return out;
}

Error to_moe_error(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(code::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    return Error(code::kInternal, error.what());
  } catch (...) {
    return Error(code::kInternal, "an unknown native exception");
  }
}

void throw_usage(const std::string& where, const std::string& expected, const std::string& found) {
  throw Error(code::kUsage, where + " must be " + expected + ", found " + found, {{"subject", where}, {"expected", expected}, {"found", found}});
}

}  // namespace moe::addon
