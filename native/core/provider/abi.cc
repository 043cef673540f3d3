#include "core/provider/abi.h"

#include <new>

#include "core/tensor/tensor.h"

namespace moe::abi {
namespace {

thread_local std::string last_error_text;

moe_status status_of(const std::string& error_code) {
  if (error_code == code::kCancelled) return MOE_CANCELLED;
  if (error_code == code::kUnsupported) return MOE_UNSUPPORTED;
  if (error_code == code::kNoDevice) return MOE_NO_DEVICE;
  if (error_code == code::kDeviceLost) return MOE_DEVICE_LOST;
  if (error_code == code::kOutOfMemory) return MOE_OUT_OF_MEMORY;
  return error_code == code::kInternal ? MOE_INTERNAL : MOE_INVALID;
}

/// One sentence with the facts that a caller of the C ABI would otherwise lose.
std::string sentence(const Error& error) {
  std::string text = error.message();
  for (const auto& [key, value] : error.details()) {
    const auto* fact = std::get_if<std::string>(&value);
    if (fact != nullptr && (key == "expected" || key == "found")) text += "; " + key + " " + *fact;
    if (fact != nullptr && key == "remedy") text += "; " + *fact;
  }
  return text;
}

Error usage(const std::string& what) { return Error(code::kUsage, "the batch cannot run: " + what); }

}  // namespace

const char* last_error() { return last_error_text.c_str(); }

moe_status status_of_exception() {
  try {
    throw;
  } catch (const Error& error) {
    last_error_text = sentence(error);
    return status_of(error.code());
  } catch (const std::bad_alloc&) {
    last_error_text = "out of memory";
    return MOE_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    last_error_text = error.what();
    return MOE_INTERNAL;
  } catch (...) {
    last_error_text = "an exception that is not a std::exception";
    return MOE_INTERNAL;
  }
}

void check_batch(const moe_batch& batch, const moe_layer_desc& layer) {
  if (batch.struct_size < sizeof(moe_batch)) throw usage("moe_batch is older than this provider");
  if (batch.tokens < 1) throw usage("tokens must be positive, found " + std::to_string(batch.tokens));
  if (batch.x == nullptr || batch.topk_ids == nullptr || batch.topk_weights == nullptr) throw usage("x, topk_ids or topk_weights is missing");
  const int64_t pairs = static_cast<int64_t>(batch.tokens) * layer.top_k;
  for (int64_t i = 0; i < pairs; ++i) {
    const int32_t id = batch.topk_ids[i];
    if (id >= 0 && id < layer.experts) continue;
    throw Error(code::kBadRouting,
                "topk_ids[" + std::to_string(i / layer.top_k) + ", " + std::to_string(i % layer.top_k) + "] is not an expert of this layer",
                {{"expected", "0.." + std::to_string(layer.experts - 1)}, {"found", std::to_string(id)}});
  }
}

void* Outputs::ask(const char* name, moe_dtype dtype, const std::vector<int64_t>& shape) const {
  uint64_t bytes = static_cast<uint64_t>(dtype_bytes(static_cast<DType>(dtype)));
  for (const int64_t extent : shape) bytes *= static_cast<uint64_t>(extent);
  return sink_.tensor(sink_.context, name, dtype, static_cast<int32_t>(shape.size()), shape.data(), bytes);
}

void* Outputs::require(const char* name, moe_dtype dtype, const std::vector<int64_t>& shape) const {
  void* memory = ask(name, dtype, shape);
  if (memory == nullptr) throw Error(code::kOutOfMemory, std::string("no memory for the output ") + name, {{"subject", std::string(name)}});
  return memory;
}

void* Outputs::tap(int32_t tap, const char* name, moe_dtype dtype, const std::vector<int64_t>& shape) const {
  return (taps_ & tap) != 0 ? ask(name, dtype, shape) : nullptr;
}

void Outputs::time(const char* stage, double microseconds) const {
  if (sink_.time == nullptr) return;
  const moe_stage_time entry{stage, microseconds};
  sink_.time(sink_.context, &entry);
}

void Outputs::workspace(uint64_t bytes) const {
  if (sink_.workspace != nullptr) sink_.workspace(sink_.context, bytes);
}

}  // namespace moe::abi
