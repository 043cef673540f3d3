// What the built-in providers share of the C ABI: the thread's last error, exceptions to status codes, outputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/error/error.h"
#include "provider.h"

namespace moe::abi {

/// The calling thread's last error; never null.
const char* last_error();

/// Stores the exception being handled as last_error and gives its status. Call inside a catch block.
moe_status status_of_exception();

/// Runs `body`, which may throw: MOE_OK or the status of what was thrown.
template <class Body>
moe_status guarded(Body&& body) {
  try {
    body();
    return MOE_OK;
  } catch (...) {
    return status_of_exception();
  }
}

/// Throws `cancelled` once the batch's flag is set.
inline void check_cancel(const moe_batch& batch) {
  if (batch.cancel != nullptr && *batch.cancel != 0) throw Error(code::kCancelled, "cancelled");
}

/// Checks the sizes, pointers and expert ids of a batch. @throws Error `usage` or `bad-routing`.
void check_batch(const moe_batch& batch, const moe_layer_desc& layer);

/// Asks the sink for one output. A tap may be declined (null); `y` may not: @throws Error `out-of-memory`.
class Outputs {
 public:
  Outputs(const moe_sink& sink, const moe_batch& batch) : sink_(sink), taps_(batch.taps) {}

  void* require(const char* name, moe_dtype dtype, const std::vector<int64_t>& shape) const;
  /// Null when `tap` was not asked for or is declined.
  void* tap(int32_t tap, const char* name, moe_dtype dtype, const std::vector<int64_t>& shape) const;
  void time(const char* stage, double microseconds) const;
  void workspace(uint64_t bytes) const;

 private:
  void* ask(const char* name, moe_dtype dtype, const std::vector<int64_t>& shape) const;

  const moe_sink& sink_;
  int32_t taps_;
};

}  // namespace moe::abi
