// The outputs of a run of one token, by name, for looking into them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/error/error.h"
#include "provider.h"

namespace moe {

/// A sink that keeps everything it is given.
class CollectedRun {
 public:
  moe_sink sink() { return {this, &CollectedRun::tensor, nullptr, nullptr}; }

  /// @throws Error `unsupported` when the run had no such output
  template <class T>
  const T* at(const std::string& name) const {
    const auto found = outputs_.find(name);
    if (found == outputs_.end()) throw Error(code::kUnsupported, "this answer has no " + name + ": there is no history without it");
    return reinterpret_cast<const T*>(found->second.data());
  }
  /// Rows of an output.
  int64_t rows(const std::string& name) const { return rows_.at(name); }

 private:
  static void* tensor(void* context, const char* name, int32_t, int32_t, const int64_t* shape, uint64_t bytes) {
    auto& self = *static_cast<CollectedRun*>(context);
    self.rows_[name] = shape[0];
    // As doubles, so that every element type is aligned.
    auto& memory = self.outputs_[name];
    memory.assign((bytes + sizeof(double) - 1) / sizeof(double), 0);
    return memory.data();
  }

  std::map<std::string, std::vector<double>> outputs_;
  std::map<std::string, int64_t> rows_;
};

/// The batch of one token out of `batch`, with every tap and a fixed order of additions.
inline moe_batch one_token(const moe_batch& batch, int64_t token, int64_t hidden, int64_t top_k) {
  moe_batch one = batch;
  one.tokens = 1;
  one.x = batch.x + token * hidden;
  one.topk_ids = batch.topk_ids + token * top_k;
  one.topk_weights = batch.topk_weights + token * top_k;
  one.taps = MOE_TAP_ALL;
  one.deterministic = 1;
  return one;
}

/// Which of its expert's rows a pair is, in the order of the grouped GEMM.
inline int64_t row_in_expert(const moe_batch& batch, int64_t pair) {
  int64_t row = 0;
  for (int64_t before = 0; before < pair; ++before) row += batch.topk_ids[before] == batch.topk_ids[pair] ? 1 : 0;
  return row;
}

}  // namespace moe
