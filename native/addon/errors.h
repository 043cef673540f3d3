// moe::Error <-> JavaScript Error with `code` and `details`.
#pragma once

#include <napi.h>

#include <exception>
#include <new>
#include <string>

#include "core/error/error.h"

namespace moe::addon {

/// An Error object with the message, `code` and, where there are facts, `details` (plain data).
Napi::Error to_js_error(Napi::Env env, const Error& error);

/// Any native exception as moe::Error: bad_alloc becomes `out-of-memory`, anything unknown `internal`.
Error to_moe_error(const std::exception_ptr& thrown);

/// `usage`: an argument of `where` is not what was expected.
[[noreturn]] void throw_usage(const std::string& where, const std::string& expected, const std::string& found);

/// Runs a synchronous binding: native errors leave as JavaScript errors with their code.
template <class Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception&) {
    throw to_js_error(env, to_moe_error(std::current_exception()));
  }
}

}  // namespace moe::addon
