// Elements of a tensor by logical (plane, row, column), through whatever layout the storage has.
#pragma once

#include <cstdint>

#include "core/tensor/tensor.h"

namespace moe {

enum class Kind : uint8_t { kNormal, kZero, kSubnormal, kSaturated, kNaN, kInfinite };
/// "normal", "zero", "subnormal", "saturated", "nan", "infinite".
const char* kind_name(Kind kind);

/// One element: its pattern, its value and its class in its own format. Saturated: |x| is the largest finite value of the
/// format (E2M1 6, E4M3 448, ...). Integers are normal or zero.
struct Element {
  uint64_t bits;
  double value;
  Kind kind;
};

/// Decodes a bit pattern of a type; layout kFp4 takes 4-bit codes.
Element decode_element(DType dtype, Layout layout, uint64_t bits);

/// Reads elements of one plane. The tensor must outlive it; ensure_readable() of its backing is the caller's duty.
class PlaneReader {
 public:
  PlaneReader(const Tensor& tensor, int64_t plane);

  /// Bit pattern at a logical position, which must be inside rows x columns.
  uint64_t bits(int64_t row, int64_t column) const;
  /// Codes of columns [0, columns) of a row, for tensors with code_count() > 0. `out` has room for columns + 4 bytes.
  void row_codes(int64_t row, int64_t columns, uint8_t* out) const;
  bool is_e4m3() const { return dtype_ == DType::kF8E4m3; }
  /// Codes of `count` neighbours of a row, for E4M3.
  void run_codes(int64_t row, int64_t column, int64_t count, uint8_t* out) const;
  Element at(int64_t row, int64_t column) const { return decode_element(dtype_, layout_, bits(row, column)); }

 private:
  const uint8_t* base_;
  DType dtype_;
  Layout layout_;
  int64_t width_;    // bytes an element
  int64_t stride_;   // bytes a row (linear, fp4)
  int64_t k_tiles_;  // sf128x4
};

/// Formats with at most 256 codes: E4M3 and U8 (256), fp4 (16); 0 for the others.
int32_t code_count(const Tensor& tensor);

/// Every element's decoding by code, for tensors with code_count() > 0.
const Element* code_table(const Tensor& tensor);

}  // namespace moe
