#include "explain/weights.h"

#include <algorithm>

#include "core/formats/e4m3.h"

namespace moe::explain {
namespace {

constexpr int64_t kTile = 128;

std::array<float, 256> scale_values(const GemmSpec& gemm, float s2) {
  std::array<float, 256> out{};
  for (int byte = 0; byte < 256; ++byte) {
    float value = e4m3_decode(static_cast<uint8_t>(byte));
    if (gemm.reround || gemm.underflow) {
      const uint8_t baked = e4m3_encode(value * s2);
      const bool below = (baked & 0x78U) == 0;
      value = (below ? gemm.underflow : gemm.reround) ? e4m3_decode(baked) : value * s2;
    }
    out[static_cast<size_t>(byte)] = value * 0.25F;
  }
  return out;
}

}  // namespace

GemmWeights::GemmWeights(const CheckpointLayer& layer, const Spec& spec, int site)
    : packed_(site == 0 ? layer.w13_weight : layer.w2_weight), scales_(site == 0 ? layer.w13_weight_scale : layer.w2_weight_scale), spec_(spec), site_(site),
      n_(site == 0 ? layer.shape.w13_rows() : layer.shape.hidden), k_(site == 0 ? layer.shape.hidden : layer.shape.intermediate),
      half_(layer.shape.intermediate), layout_(n_, k_ / 16) {
  const GemmSpec& gemm = spec_.gemm[static_cast<size_t>(site)];
  const float calibrated = (site == 0 ? layer.report.a1 : layer.report.a2).value();
  const float a = gemm.unit_scale ? 1.0F : calibrated;
  const bool large = (gemm.family != Family::kB12x) != gemm.inverted;
  quantizer_scale_ = large ? 1.0F / a : a;
  const float* s2 = (site == 0 ? layer.w13_weight_scale_2 : layer.w2_weight_scale_2).f32();
  for (int64_t e = 0; e < layer.shape.experts; ++e) {
    const float weight = gemm.reround || gemm.underflow ? 1.0F : s2[e];
    const float multiplier = gemm.unit_scale ? weight : gemm.divides_alpha ? weight / (1.0F / a) : weight * a;
    multiplier_.push_back(gemm.doubled ? multiplier * a : multiplier);
    values_.push_back(scale_values(gemm, s2[e]));
  }
}

int64_t GemmWeights::source_row(int64_t row) const {
  if (site_ == 1) return row;
  if (spec_.gemm[0].tail_dropped && row % half_ >= half_ / kTile * kTile) return -1;
  if (spec_.gate_at_padded && row >= half_) {
    row += round_up(half_, kTile) - half_;
    if (row >= n_) return -1;
  }
  return spec_.gate_up_swapped ? (row + half_) % n_ : row;
}

int GemmWeights::scale_byte(const uint8_t* plane, int64_t row, int64_t column) const {
  const int64_t columns = k_ / 16;
  switch (spec_.gemm[static_cast<size_t>(site_)].order) {
    case ScaleOrder::kAsRead: break;
    case ScaleOrder::kLinearReadAs128x4: {
      const int64_t offset = layout_.offset(row, column);
      if (offset >= n_ * columns) return -1;
      row = offset / columns;
      column = offset % columns;
      break;
    }
    case ScaleOrder::k128x4ReadAsLinear: {
      const int64_t offset = linear_offset(row, column, columns);
      const int64_t tile = offset / 512;
      const int64_t within = offset % 512;
      row = tile / layout_.k_tiles * 128 + within % 16 / 4 * 32 + within / 16;
      column = tile % layout_.k_tiles * 4 + within % 4;
      if (row >= n_ || column >= columns) return -1;
      break;
    }
  }
  const int64_t source = source_row(row);
  return source < 0 ? -1 : plane[linear_offset(source, column, columns)];
}

void GemmWeights::decode(const cpu::Kernels& kernels, int64_t expert, int64_t first_output, std::vector<cpu::Panel>& panels) const {
  const int64_t row_bytes = k_ / 2;
  const int64_t blocks = k_ / 16;
  const bool swapped = spec_.gemm[static_cast<size_t>(site_)].nibbles_swapped;
  const uint8_t* packed = packed_.plane(expert);
  std::vector<uint8_t> rows(static_cast<size_t>(cpu::kPanel * row_bytes));
  for (int64_t i = 0; i < cpu::kPanel; ++i) {
    const int64_t source = source_row(first_output + i);
    uint8_t* out = rows.data() + i * row_bytes;
    if (source >= 0) std::copy_n(packed + source * row_bytes, row_bytes, out);
    if (swapped) std::for_each(out, out + row_bytes, [](uint8_t& byte) { byte = static_cast<uint8_t>(byte << 4U | byte >> 4U); });
  }
  const int64_t kept = site_ == 1 && spec_.gemm[1].tail_dropped ? k_ / kTile * (kTile / 16) : blocks;
  const uint8_t* plane = scales_.plane(expert);
  const auto& values = values_[static_cast<size_t>(expert)];
  for (int64_t first = 0; first < blocks; first += cpu::kChunk) {
    cpu::Panel& panel = panels[static_cast<size_t>(first / cpu::kChunk)];
    const int64_t count = std::min(cpu::kChunk, blocks - first);
    kernels.decode(rows.data() + first * 8, row_bytes, count, panel);
    for (int64_t block = 0; block < count; ++block) {
      for (int64_t i = 0; i < cpu::kPanel; ++i) {
        const int byte = first + block < kept ? scale_byte(plane, first_output + i, first + block) : -1;
        panel.scales[block][i] = byte < 0 ? 0.0F : values[static_cast<size_t>(byte)];
      }
    }
  }
}

}  // namespace moe::explain
