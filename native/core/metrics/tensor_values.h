// Comparing whole tensors: their elements in logical order, whatever their dtype and layout.
#pragma once

#include "core/metrics/compare.h"
#include "core/tensor/tensor.h"

namespace moe {

/// Throws `wrong-shape` unless both tensors have the same planes, logical rows and columns.
void require_same_shape(const Tensor& a, const Tensor& b);

/// Reads logical elements; index = (plane * rows + row) * columns + column. The tensor must outlive the reader.
ValueReader value_reader(const Tensor& tensor);

/// compare() of two tensors. @throws Error `wrong-shape`, `file-truncated`
Comparison compare(const Tensor& a, const Tensor& b, const CompareOptions& options);

/// codes [R, C/2] (fp4) * scales [R, C/16] (linear E4M3) * multiplier as F32 [R, C]: what a quantized stage stands for.
/// The product code * SF is exact in fp32, so only the multiplication by `multiplier` rounds.
/// @throws Error `wrong-dtype` or `wrong-shape` naming the tensor
Tensor dequantize(const Tensor& codes, const Tensor& scales, float multiplier);

}  // namespace moe
