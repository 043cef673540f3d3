#include "cpu/rows.h"

#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"

namespace moe::cpu {

QuantizedRows::QuantizedRows(int64_t rows, int64_t k) : k_(k), codes_(rows * k), bias_(rows * (k / 16)), scales_(rows * (k / 16)) {}

void QuantizedRows::quantize(int64_t r, Quantizer quantizer, const float* x, float global_scale, uint8_t* packed, uint8_t* sf) {
  int8_t* codes = codes_.data() + r * k_;
  for (int64_t block = 0; block < k_ / 16; ++block) {
    const Fp4Block out = quantize_block(quantizer, x + block * 16, global_scale);
    int32_t sum = 0;
    for (int i = 0; i < 16; ++i) {
      codes[block * 16 + i] = kE2m1Halves[out.codes[i]];
      sum += kE2m1Halves[out.codes[i]];
    }
    bias_[r * (k_ / 16) + block] = -kWeightBias * sum;
    scales_[r * (k_ / 16) + block] = e4m3_decode(out.sf);
    if (packed != nullptr) pack_codes(out.codes, packed + block * 8);
    if (sf != nullptr) sf[block] = out.sf;
  }
}

}  // namespace moe::cpu
