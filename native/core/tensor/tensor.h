// A tensor in native memory: who keeps the bytes alive, what they mean, and how logical elements map to them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "provider.h"

namespace moe {

/// Element types; the first seven equal moe_dtype.
enum class DType : int32_t {
  kU8 = MOE_U8,
  kF8E4m3 = MOE_F8_E4M3,
  kBf16 = MOE_BF16,
  kF32 = MOE_F32,
  kF64 = MOE_F64,
  kI32 = MOE_I32,
  kF16 = MOE_F16,
  kI64 = 7,
};
/// safetensors' name: "U8", "F8_E4M3", ...
const char* dtype_name(DType dtype);
/// Throws `wrong-dtype` for a name that is not one of them.
DType dtype_from_name(const std::string& name);
int64_t dtype_bytes(DType dtype);

/// How bytes lie in memory. kFp4: two E2M1 codes a byte, even element in the low nibble.
enum class Layout : int32_t { kLinear, kSf128x4, kMma6d, kFp4 };
/// "linear", "sf128x4", "mma6d", "fp4".
const char* layout_name(Layout layout);
/// Throws `usage` for a name that is not one of them.
Layout layout_from_name(const std::string& name);

/// Keeps storage alive.
class Backing {
 public:
  Backing() = default;
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;
  virtual ~Backing() = default;
  /// Throws `file-truncated` when the bytes can no longer be read safely (a mapped file that shrank). Called before
  /// every pass over the bytes.
  virtual void ensure_readable() const {}
};

/// 64-byte aligned heap memory, not initialised.
class HeapBacking final : public Backing {
 public:
  /// Throws `out-of-memory` naming the size.
  explicit HeapBacking(uint64_t bytes);
  ~HeapBacking() override;
  uint8_t* data() const { return data_; }

 private:
  uint8_t* data_;
};

/// Shape rules, by layout:
///   kLinear   any shape of elements
///   kFp4      U8 [..., N, K/2]; logical rows N, columns K
///   kSf128x4  F8_E4M3 [E, rows padded to 128, columns to 4]; logical rows and columns are the unpadded ones
///   kMma6d    F8_E4M3 [32, 4, m_tiles, 4, k_tiles, E], strided over kSf128x4 storage
/// A plane is what EPLB moves as one row: an expert for parameters. Rank 1 [E]: E planes of 1x1. Rank 2 [R, C]: one
/// plane. Rank 3 [E, R, C]: E planes. Higher ranks: the leading dimensions together are planes.
struct Tensor {
  std::string name;
  DType dtype = DType::kU8;
  Layout layout = Layout::kLinear;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // bytes; empty when contiguous (everything but kMma6d)
  int64_t rows = 0;              // logical rows and columns of a plane, unpadded
  int64_t columns = 0;
  std::shared_ptr<const Backing> backing;
  const uint8_t* data = nullptr;
  uint64_t bytes = 0;  // of storage; a view has its storage's

  int64_t planes() const;
  /// Storage bytes of one plane; planes are contiguous in every layout but kMma6d, whose planes are those of the
  /// storage below.
  uint64_t plane_bytes() const { return planes() == 0 ? 0 : bytes / static_cast<uint64_t>(planes()); }
  const uint8_t* plane(int64_t index) const { return data + static_cast<uint64_t>(index) * plane_bytes(); }
  const float* f32() const { return reinterpret_cast<const float*>(data); }
  const double* f64() const { return reinterpret_cast<const double*>(data); }
};

/// A tensor being filled by its maker.
struct NewTensor {
  Tensor tensor;
  uint8_t* data;
  float* f32() const { return reinterpret_cast<float*>(data); }
};

/// Allocates a contiguous tensor. For kSf128x4 give the logical rows and columns through new_scales instead.
NewTensor new_tensor(std::string name, DType dtype, Layout layout, std::vector<int64_t> shape);
/// F8_E4M3 kSf128x4 [planes, rows to 128, columns to 4], zeroed padding is the filler's duty.
NewTensor new_scales(std::string name, int64_t planes, int64_t rows, int64_t columns);

/// A tensor over bytes that `backing` keeps alive. `logical` (rows, columns of a plane, unpadded) is needed for
/// kSf128x4 only, else empty. Throws `wrong-shape` when the shape does not take exactly `bytes` bytes, `wrong-dtype`
/// when the layout forbids the dtype.
Tensor borrow_tensor(std::string name, DType dtype, Layout layout, std::vector<int64_t> shape,
                     std::shared_ptr<const Backing> backing, const uint8_t* data, uint64_t bytes,
                     const std::vector<int64_t>& logical = {});

/// The 6D MMA view of kSf128x4 storage: same bytes, no copy.
Tensor mma6d_tensor(const Tensor& scales, std::string name);

/// The tensor for provider.h; points into `tensor`, which must outlive it. Throws `internal` for I64.
moe_tensor abi_tensor(const Tensor& tensor);

/// "[8, 256, 128]" for messages.
std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace moe
