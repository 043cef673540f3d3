#include "core/tensor/elements.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/formats/bf16.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/layout/scale_layout.h"

namespace moe {
namespace {

template <class Float>
Kind float_kind(Float x, Float largest, Float smallest_normal) {
  if (std::isnan(x)) return Kind::kNaN;
  const Float a = std::fabs(x);
  if (a == 0) return Kind::kZero;
  if (std::isinf(a)) return Kind::kInfinite;
  if (a == largest) return Kind::kSaturated;
  return a < smallest_normal ? Kind::kSubnormal : Kind::kNormal;
}

Element e4m3_element(uint8_t code) {
  const float value = e4m3_decode(code);
  return {code, value, float_kind(value, kE4m3Max, kE4m3MinNormal)};
}

Element e2m1_element(uint8_t code) {
  const float value = e2m1_decode(code);
  return {code, value, float_kind(value, kE2m1Max, 1.0F)};
}

Element integer_element(uint64_t bits, double value) { return {bits, value, value == 0 ? Kind::kZero : Kind::kNormal}; }

template <class Make>
std::array<Element, 256> make_table(Make make) {
  std::array<Element, 256> table{};
  for (unsigned code = 0; code < 256; ++code) table[code] = make(static_cast<uint8_t>(code));
  return table;
}

const std::array<Element, 256> kE4m3Table = make_table(e4m3_element);
const std::array<Element, 256> kE2m1Table = make_table([](uint8_t code) { return e2m1_element(code & 15U); });
const std::array<Element, 256> kU8Table = make_table([](uint8_t code) { return integer_element(code, code); });

constexpr std::array<const char*, 6> kKinds = {"normal", "zero", "subnormal", "saturated", "nan", "infinite"};

}  // namespace

const char* kind_name(Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

Element decode_element(DType dtype, Layout layout, uint64_t bits) {
  if (layout == Layout::kFp4) return kE2m1Table[bits & 15U];
  switch (dtype) {
    case DType::kU8: return kU8Table[bits & 255U];
    case DType::kF8E4m3: return kE4m3Table[bits & 255U];
    case DType::kBf16: {
      const float value = bf16_decode(static_cast<uint16_t>(bits));
      return {bits, value, float_kind(value, 0x1.FEp127F, std::numeric_limits<float>::min())};
    }
    case DType::kF16: {
      const float value = f16_decode(static_cast<uint16_t>(bits));
      return {bits, value, float_kind(value, 65504.0F, 0x1p-14F)};
    }
    case DType::kF32: {
      const float value = std::bit_cast<float>(static_cast<uint32_t>(bits));
      return {bits, value, float_kind(value, std::numeric_limits<float>::max(), std::numeric_limits<float>::min())};
    }
    case DType::kF64: {
      const double value = std::bit_cast<double>(bits);
      return {bits, value, float_kind(value, std::numeric_limits<double>::max(), std::numeric_limits<double>::min())};
    }
    case DType::kI32: return integer_element(bits, static_cast<int32_t>(static_cast<uint32_t>(bits)));
    case DType::kI64: break;
  }
  return integer_element(bits, static_cast<double>(static_cast<int64_t>(bits)));
}

PlaneReader::PlaneReader(const Tensor& tensor, int64_t plane)
    : base_(tensor.plane(plane)),
      dtype_(tensor.dtype),
      layout_(tensor.layout == Layout::kMma6d ? Layout::kSf128x4 : tensor.layout),
      width_(dtype_bytes(tensor.dtype)),
      stride_(tensor.shape.size() >= 2 ? tensor.shape.back() * dtype_bytes(tensor.dtype) : 0),
      k_tiles_(ceil_div(tensor.columns, 4)) {}

uint64_t PlaneReader::bits(int64_t row, int64_t column) const {
  if (layout_ == Layout::kFp4) return fp4_at(base_ + row * stride_, column);
  const int64_t offset = layout_ == Layout::kSf128x4 ? offset_128x4(row, column, k_tiles_) : row * stride_ + column * width_;
  uint64_t pattern = 0;  // little-endian machines only, as every target of Electron is
  std::memcpy(&pattern, base_ + offset, static_cast<size_t>(width_));
  return pattern;
}

void PlaneReader::row_codes(int64_t row, int64_t columns, uint8_t* out) const {
  if (layout_ == Layout::kSf128x4) {
    // Four columns are neighbours in storage, and storage is padded to them.
    const uint8_t* stored = base_ + offset_128x4(row, 0, k_tiles_);
    for (int64_t column = 0; column < columns; column += 4, stored += 512) std::memcpy(out + column, stored, 4);
  } else if (layout_ == Layout::kFp4) {
    const uint8_t* packed = base_ + row * stride_;
    for (int64_t column = 0; column < columns; column += 2) {
      const uint8_t byte = packed[column >> 1];
      out[column] = byte & 15U;
      out[column + 1] = static_cast<uint8_t>(byte >> 4U);
    }
  } else {
    std::memcpy(out, base_ + row * stride_, static_cast<size_t>(columns));
  }
}

void PlaneReader::run_codes(int64_t row, int64_t column, int64_t count, uint8_t* out) const {
  if (layout_ != Layout::kSf128x4) {
    std::memcpy(out, base_ + row * stride_ + column, static_cast<size_t>(count));
    return;
  }
  for (int64_t i = 0; i < count; ++i) out[i] = base_[offset_128x4(row, column + i, k_tiles_)];
}

int32_t code_count(const Tensor& tensor) {
  if (tensor.layout == Layout::kFp4) return 16;
  return tensor.dtype == DType::kU8 || tensor.dtype == DType::kF8E4m3 ? 256 : 0;
}

const Element* code_table(const Tensor& tensor) {
  if (tensor.layout == Layout::kFp4) return kE2m1Table.data();
  return tensor.dtype == DType::kU8 ? kU8Table.data() : kE4m3Table.data();
}

}  // namespace moe
