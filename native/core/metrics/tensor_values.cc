#include "core/metrics/tensor_values.h"

#include <cstring>

#include "core/error/error.h"
#include "core/formats/bf16.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/parallel/pool.h"
#include "core/tensor/elements.h"

namespace moe {
namespace {

std::string logical_text(const Tensor& tensor) { return shape_text({tensor.planes(), tensor.rows, tensor.columns}); }

template <class T, class Decode>
ValueReader contiguous(const Tensor& tensor, Decode decode) {
  return [data = tensor.data, decode](int64_t begin, int64_t count, double* out) {
    for (int64_t i = 0; i < count; ++i) {
      T element;
      std::memcpy(&element, data + (begin + i) * static_cast<int64_t>(sizeof(T)), sizeof(T));
      out[i] = decode(element);
    }
  };
}

/// Any layout, one element at a time.
ValueReader by_position(const Tensor& tensor) {
  return [&tensor](int64_t begin, int64_t count, double* out) {
    const int64_t plane_size = tensor.rows * tensor.columns;
    for (int64_t i = 0; i < count;) {
      const int64_t plane = (begin + i) / plane_size;
      const PlaneReader reader(tensor, plane);
      for (int64_t in_plane = (begin + i) % plane_size; in_plane < plane_size && i < count; ++in_plane, ++i) {
        out[i] = reader.at(in_plane / tensor.columns, in_plane % tensor.columns).value;
      }
    }
  };
}

}  // namespace

void require_same_shape(const Tensor& a, const Tensor& b) {
  if (a.planes() == b.planes() && a.rows == b.rows && a.columns == b.columns) return;
  throw Error(code::kWrongShape, a.name + " and " + b.name + " cannot be compared: their shapes differ",
              {{"subject", b.name}, {"expected", logical_text(a)}, {"found", logical_text(b)}});
}

ValueReader value_reader(const Tensor& tensor) {
  if (tensor.layout == Layout::kLinear) {
    switch (tensor.dtype) {
      case DType::kBf16: return contiguous<uint16_t>(tensor, [](uint16_t bits) { return static_cast<double>(bf16_decode(bits)); });
      case DType::kF32: return contiguous<float>(tensor, [](float value) { return static_cast<double>(value); });
      case DType::kF64: return contiguous<double>(tensor, [](double value) { return value; });
      default: break;
    }
  }
  return by_position(tensor);
}

Comparison compare(const Tensor& a, const Tensor& b, const CompareOptions& options) {
  require_same_shape(a, b);
  a.backing->ensure_readable();
  b.backing->ensure_readable();
  return compare(a.planes() * a.rows * a.columns, value_reader(a), value_reader(b), options);
}

Tensor dequantize(const Tensor& codes, const Tensor& scales, float multiplier) {
  if (codes.layout != Layout::kFp4 || codes.planes() != 1) {
    throw Error(code::kWrongDtype, codes.name + " is not a matrix of FP4 codes", {{"subject", codes.name}, {"expected", std::string("U8 [R, C/2], layout fp4")}, {"found", shape_text(codes.shape)}});
  }
  if (scales.dtype != DType::kF8E4m3 || scales.layout != Layout::kLinear) {
    throw Error(code::kWrongDtype, scales.name + " is not a matrix of block scales", {{"subject", scales.name}, {"expected", std::string("F8_E4M3, linear")}, {"found", std::string(dtype_name(scales.dtype))}});
  }
  const int64_t rows = codes.rows;
  const int64_t columns = codes.columns;
  if (scales.planes() != 1 || scales.rows != rows || scales.columns * 16 != columns) {
    throw Error(code::kWrongShape, scales.name + " does not belong to " + codes.name, {{"subject", scales.name}, {"expected", shape_text({rows, columns / 16})}, {"found", shape_text(scales.shape)}});
  }
  codes.backing->ensure_readable();
  scales.backing->ensure_readable();
  NewTensor out = new_tensor(codes.name, DType::kF32, Layout::kLinear, {rows, columns});
  run_tasks(rows, [&](int64_t row) {
    const uint8_t* packed = codes.data + row * (columns / 2);
    const uint8_t* sf = scales.data + row * (columns / 16);
    float* values = out.f32() + row * columns;
    for (int64_t i = 0; i < columns; ++i) values[i] = e2m1_decode(fp4_at(packed, i)) * e4m3_decode(sf[i / 16]) * multiplier;
  });
  return out.tensor;
}

}  // namespace moe
