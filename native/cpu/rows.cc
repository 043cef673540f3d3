#include "cpu/rows.h"

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"

namespace moe::cpu {

void QuantizedRows::put_block(int64_t r, int64_t block, const std::array<uint8_t, 16>& codes, uint8_t sf) {
  ActivationBlock& out = blocks_[static_cast<size_t>(r * (k_ / 16) + block)];
  int32_t sum = 0;
  for (int position = 0; position < 16; ++position) {
    out.codes[position] = kE2m1Halves[codes[static_cast<size_t>(element_at(position))]];
    sum += out.codes[position];
  }
  out.bias = -kWeightBias * sum;
  out.scale = e4m3_decode(sf);
}

void QuantizedRows::quantize(int64_t r, Quantizer quantizer, const float* x, float global_scale, uint8_t* packed, uint8_t* sf) {
  for (int64_t block = 0; block < k_ / 16; ++block) {
    const Fp4Block out = quantize_block(quantizer, x + block * 16, global_scale);
    put_block(r, block, out.codes, out.sf);
    if (packed != nullptr) pack_codes(out.codes, packed + block * 8);
    if (sf != nullptr) sf[block] = out.sf;
  }
}

void QuantizedRows::set(int64_t r, const uint8_t* packed, const uint8_t* sf) {
  std::array<uint8_t, 16> codes;
  for (int64_t block = 0; block < k_ / 16; ++block) {
    for (int i = 0; i < 8; ++i) {
      codes[2 * i] = packed[block * 8 + i] & 15U;
      codes[2 * i + 1] = packed[block * 8 + i] >> 4U;
    }
    put_block(r, block, codes, sf[block]);
  }
}

}  // namespace moe::cpu
