// Quantized activation rows in the form the dot kernels read, and as the bytes that the taps show.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/quantize/quantize.h"
#include "cpu/dot.h"

namespace moe::cpu {

class QuantizedRows {
 public:
  QuantizedRows(int64_t rows, int64_t k) : k_(k), blocks_(static_cast<size_t>(rows * (k / 16))) {}

  /// Quantizes row r; `packed` ([K/2]) and `sf` ([K/16]) get the bytes where they are not null.
  void quantize(int64_t r, Quantizer quantizer, const float* x, float global_scale, uint8_t* packed, uint8_t* sf);

  /// Row r as bytes that were quantized elsewhere: `packed` [K/2], `sf` [K/16].
  void set(int64_t r, const uint8_t* packed, const uint8_t* sf);

  /// [K/16]
  const ActivationBlock* row(int64_t r) const { return blocks_.data() + r * (k_ / 16); }
  uint64_t bytes() const { return blocks_.size() * sizeof(ActivationBlock); }

 private:
  void put_block(int64_t r, int64_t block, const std::array<uint8_t, 16>& codes, uint8_t sf);

  int64_t k_;
  std::vector<ActivationBlock> blocks_;
};

}  // namespace moe::cpu
