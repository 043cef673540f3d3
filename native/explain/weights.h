// The weights of one GEMM as a spec reads them: panels of 16 outputs, decoded for the dot kernels of native/cpu.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/checkpoint/checkpoint.h"
#include "core/layout/scale_layout.h"
#include "cpu/dot.h"
#include "explain/spec.h"

namespace moe::explain {

/// A view of the checkpoint's bytes: nothing is copied, deviations change which byte is read for a place and what a scale byte
/// stands for. `multiplier` and `quantizer_scale` are per expert [E].
class GemmWeights {
 public:
  /// @param site 0: w13 [2I | I, H]; 1: w2 [H, I]
  GemmWeights(const CheckpointLayer& layer, const Spec& spec, int site);

  int64_t n() const { return n_; }
  int64_t k() const { return k_; }
  float multiplier(int64_t expert) const { return multiplier_[static_cast<size_t>(expert)]; }
  float quantizer_scale() const { return quantizer_scale_; }

  /// Codes and scales / 4 of outputs [first_output, first_output + 16) of an expert; `panels` [ceil(K / 16 / kChunk)].
  void decode(const cpu::Kernels& kernels, int64_t expert, int64_t first_output, std::vector<cpu::Panel>& panels) const;

 private:
  int64_t source_row(int64_t row) const;
  /// Scale byte at (row, column) as it is read; -1 where the read leaves the plane or meets padding.
  int scale_byte(const uint8_t* plane, int64_t row, int64_t column) const;

  const Tensor& packed_;
  const Tensor& scales_;
  const Spec spec_;
  const int site_;
  const int64_t n_, k_, half_;  ///< half_: rows of one projection of w13
  const Swizzled128x4 layout_;
  std::vector<float> multiplier_;
  float quantizer_scale_ = 1;
  std::vector<std::array<float, 256>> values_;  ///< [E] scale / 4 by byte
};

}  // namespace moe::explain
