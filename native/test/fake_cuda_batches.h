// Batches for layers on the fake driver, and what its tests look at.
#pragma once

#include <cstdlib>

#include "fake_cuda.h"
#include "made_layer.h"
#include "provider_layers.h"

namespace moe::test {

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Code and message of what `body` throws.
template <class Body>
std::pair<std::string, std::string> thrown(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.code(), error.message()};
  }
  return {"nothing thrown", ""};
}

class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

inline const std::shared_ptr<const CheckpointLayer>& made() {
  static const MadeLayer layer;
  static const std::shared_ptr<const CheckpointLayer> assembled = layer.assembled();
  return assembled;
}

inline RunInput batch(int tokens, moe_path path = MOE_PATH_B12X, uint32_t seed = 3) {
  return on(random_batch(made()->shape, tokens, seed), path, path == MOE_PATH_B12X ? MOE_KERNEL_STATIC : MOE_KERNEL_CUTLASS);
}

inline bool y_is_x(const RunOutput& run, const RunInput& input) {
  const Tensor& y = output(run, "y");
  return static_cast<size_t>(y.bytes) == input.x.size() * sizeof(uint16_t) && std::memcmp(y.data, input.x.data(), input.x.size() * sizeof(uint16_t)) == 0;
}

}  // namespace moe::test
