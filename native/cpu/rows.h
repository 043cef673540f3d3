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
  QuantizedRows(int64_t rows, int64_t k);

  /// Quantizes row r; `packed` ([K/2]) and `sf` ([K/16]) get the bytes where they are not null.
  void quantize(int64_t r, Quantizer quantizer, const float* x, float global_scale, uint8_t* packed, uint8_t* sf);

  /// Row r as bytes that were quantized elsewhere: `packed` [K/2], `sf` [K/16].
  void set(int64_t r, const uint8_t* packed, const uint8_t* sf);

  ActivationRow row(int64_t r) const {
    return {codes_.data() + r * k_, bias_.data() + r * (k_ / 16), scales_.data() + r * (k_ / 16)};
  }
  uint64_t bytes() const { return codes_.size() + bias_.size() * sizeof(int32_t) + scales_.size() * sizeof(float); }

 private:
  void put_block(int64_t r, int64_t block, const std::array<uint8_t, 16>& codes, uint8_t sf);

  int64_t k_;
  std::vector<int8_t> codes_;
  std::vector<int32_t> bias_;
  std::vector<float> scales_;
};

}  // namespace moe::cpu
