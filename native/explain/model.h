// The stages of a pipeline, each by itself: a stage may be run from what an earlier one really gave, which tells where a
// difference begins. Without deviations a chain of stages gives the bits of native/cpu (test/explain_test.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/provider/library.h"
#include "cpu/dot.h"
#include "explain/spec.h"

namespace moe::explain {

/// Rows of FP4 codes and E4M3 block scales: packed [rows, k/2], sf [rows, k/16].
struct Quantized {
  int64_t rows = 0, k = 0;
  std::vector<uint8_t> packed, sf;
};

/// Everything a run gives; the names are those of the taps. Pairs are (token, slot) in order.
struct StageOutputs {
  Quantized x;               ///< [T, H]
  std::vector<float> fc1;    ///< [T*k, 2I | I]
  std::vector<float> act;    ///< [T*k, I]
  Quantized act_q;           ///< [T*k, I]
  std::vector<float> sums;   ///< [T*k, slices, H]: FC2's accumulators, before any multiplier
  std::vector<float> fc2;    ///< [T*k, H]
  std::vector<uint16_t> y;   ///< bf16 bits [T, H]
};

/// `seed` 0 adds in the documented order; any other draws one: of the blocks along K for the sums, of the contributions to an
/// output for bf16 additions.
class Model {
 public:
  explicit Model(std::shared_ptr<const CheckpointLayer> layer);

  const LayerShape& shape() const { return layer_->shape; }
  const CheckpointLayer& layer() const { return *layer_; }

  Quantized quantize_x(const Spec& spec, const RunInput& input) const;
  /// @param x rows are tokens, or pairs
  std::vector<float> fc1(const Spec& spec, const RunInput& input, const Quantized& x, uint64_t seed) const;
  std::vector<float> activate(const Spec& spec, const std::vector<float>& fc1) const;
  Quantized quantize_act(const Spec& spec, const std::vector<float>& act) const;
  std::vector<float> fc2_sums(const Spec& spec, const RunInput& input, const Quantized& act, uint64_t seed) const;
  std::vector<float> fc2(const Spec& spec, const RunInput& input, const std::vector<float>& sums) const;
  std::vector<uint16_t> combine(const Spec& spec, const RunInput& input, const std::vector<float>& sums, uint64_t seed) const;

  /// y alone: memory of one stage at a time.
  std::vector<uint16_t> run_output(const Spec& spec, const RunInput& input, uint64_t seed) const;
  StageOutputs run(const Spec& spec, const RunInput& input, uint64_t seed) const;
  int64_t slices(const Spec& spec) const;
  /// @throws Error `usage` or `bad-routing` for a batch that does not fit the layer.
  void check(const RunInput& input) const;

 private:
  std::vector<float> gemm(const Spec& spec, int site, const RunInput& input, const Quantized& activations, int64_t slice_blocks, uint64_t seed) const;

  std::shared_ptr<const CheckpointLayer> layer_;
  const cpu::Kernels& kernels_;
};

}  // namespace moe::explain
