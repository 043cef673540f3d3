#include "core/tensor/tensor.h"

#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "core/error/error.h"
#include "core/layout/scale_layout.h"

namespace moe {
namespace {

struct DTypeEntry {
  const char* name;
  int64_t bytes;
};
constexpr uint64_t kLargePage = uint64_t{2} << 20U;
// In the order of DType.
constexpr std::array<DTypeEntry, 8> kDTypes = {{{"U8", 1}, {"F8_E4M3", 1}, {"BF16", 2}, {"F32", 4}, {"F64", 8}, {"I32", 4}, {"F16", 2}, {"I64", 8}}};
constexpr std::array<const char*, 4> kLayouts = {"linear", "sf128x4", "mma6d", "fp4"};

/// Product of the dimensions times the element size, or throws where it is negative or overflows.
uint64_t storage_bytes(const std::string& name, DType dtype, const std::vector<int64_t>& shape) {
  uint64_t bytes = static_cast<uint64_t>(dtype_bytes(dtype));
  bool overflow = false;
  for (const int64_t extent : shape) {
    overflow = overflow || extent < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(extent), &bytes);
  }
  if (overflow || bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    throw Error(code::kWrongShape, name + ": shape " + shape_text(shape) + " is not a size in memory", {{"subject", name}, {"found", shape_text(shape)}});
  }
  return bytes;
}

void set_logical(Tensor& tensor, const std::vector<int64_t>& logical) {
  const auto rank = tensor.shape.size();
  tensor.rows = rank >= 2 ? tensor.shape[rank - 2] : 1;
  tensor.columns = rank >= 2 ? tensor.shape[rank - 1] : 1;
  if (tensor.layout == Layout::kFp4) tensor.columns *= 2;
  if (logical.size() == 2) {
    tensor.rows = logical[0];
    tensor.columns = logical[1];
  }
}

void check_layout(const Tensor& tensor, const std::vector<int64_t>& logical) {
  const auto fail = [&](const char* error_code, const std::string& what) {
    throw Error(error_code, tensor.name + ": " + what, {{"subject", tensor.name}, {"found", std::string(dtype_name(tensor.dtype)) + " " + shape_text(tensor.shape)}});
  };
  if (tensor.layout == Layout::kFp4 && (tensor.dtype != DType::kU8 || tensor.shape.size() < 2)) {
    fail(code::kWrongDtype, "layout fp4 needs U8 of two dimensions or more");
  }
  if (tensor.layout == Layout::kMma6d) fail(code::kUsage, "layout mma6d is only made as a view of sf128x4");
  if (tensor.layout == Layout::kSf128x4) {
    const auto rank = tensor.shape.size();
    if ((tensor.dtype != DType::kF8E4m3 && tensor.dtype != DType::kU8) || rank < 2) fail(code::kWrongDtype, "layout sf128x4 needs F8_E4M3 of two dimensions or more");
    const Swizzled128x4 layout(tensor.rows, tensor.columns);
    const bool fits = tensor.rows >= 0 && tensor.columns >= 0 && tensor.shape[rank - 2] == layout.padded_rows() && tensor.shape[rank - 1] == layout.padded_columns();
    if (!fits) fail(code::kWrongShape, "layout sf128x4 pads rows to 128 and columns to 4, so logical " + shape_text({tensor.rows, tensor.columns}) + " does not fit");
  } else if (!logical.empty()) {
    const auto rank = tensor.shape.size();
    if (rank < 2 || tensor.rows > tensor.shape[rank - 2] || tensor.rows < 0 || tensor.columns < 0) fail(code::kWrongShape, "the logical shape leaves the storage");
  }
}

}  // namespace

const char* dtype_name(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }
int64_t dtype_bytes(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }

DType dtype_from_name(const std::string& name) {
  for (size_t i = 0; i < kDTypes.size(); ++i) {
    if (name == kDTypes[i].name) return static_cast<DType>(i);
  }
  throw Error(code::kWrongDtype, "dtype " + name + " is not one that MoEscope reads (U8, F8_E4M3, BF16, F16, F32, F64, I32, I64)", {{"found", name}});
}

const char* layout_name(Layout layout) { return kLayouts[static_cast<size_t>(layout)]; }

Layout layout_from_name(const std::string& name) {
  for (size_t i = 0; i < kLayouts.size(); ++i) {
    if (name == kLayouts[i]) return static_cast<Layout>(i);
  }
  throw Error(code::kUsage, "layout " + name + " is not one of linear, sf128x4, mma6d, fp4", {{"found", name}});
}

namespace {

/// Weights are streamed: with large pages the processor finds its way through them with a 512th of the translations.
/// Advice for the large pages that lie wholly inside; where the system has none to give, small ones do.
void advise_large_pages(uint8_t* data, uint64_t bytes) {
  const uint64_t skip = (kLargePage - reinterpret_cast<uintptr_t>(data) % kLargePage) % kLargePage;
  ::madvise(data + skip, (bytes - skip) / kLargePage * kLargePage, MADV_HUGEPAGE);
}

}  // namespace

HeapBacking::HeapBacking(uint64_t bytes) {
  // aligned_alloc wants a multiple of the alignment; an empty tensor still gets a valid pointer. No larger alignment:
  // Chromium's allocator, which Electron puts in the place of malloc, ends the process for one above 1 MiB.
  constexpr uint64_t alignment = 64;
  const uint64_t rounded = bytes > std::numeric_limits<uint64_t>::max() - alignment ? bytes : (bytes + alignment) / alignment * alignment;
  data_ = static_cast<uint8_t*>(std::aligned_alloc(alignment, rounded));
  if (data_ == nullptr) {
    throw Error(code::kOutOfMemory, "cannot allocate " + std::to_string(bytes) + " bytes", {{"found", std::to_string(bytes) + " bytes"}, {"remedy", "close other layers, or load fewer experts"}});
  }
  if (rounded >= 4 * kLargePage) advise_large_pages(data_, rounded);
}
HeapBacking::~HeapBacking() { std::free(data_); }

int64_t Tensor::planes() const {
  if (layout == Layout::kMma6d) return shape.back();
  if (shape.empty() || shape.size() == 2) return 1;
  if (shape.size() == 1) return shape[0];
  return std::accumulate(shape.begin(), shape.end() - 2, int64_t{1}, std::multiplies<>());
}

NewTensor new_tensor(std::string name, DType dtype, Layout layout, std::vector<int64_t> shape) {
  const uint64_t bytes = storage_bytes(name, dtype, shape);
  auto backing = std::make_shared<HeapBacking>(bytes);
  uint8_t* data = backing->data();
  return {borrow_tensor(std::move(name), dtype, layout, std::move(shape), std::move(backing), data, bytes), data};
}

NewTensor new_scales(std::string name, int64_t planes, int64_t rows, int64_t columns) {
  const Swizzled128x4 layout(rows, columns);
  const std::vector<int64_t> shape = {planes, layout.padded_rows(), layout.padded_columns()};
  const uint64_t bytes = storage_bytes(name, DType::kF8E4m3, shape);
  auto backing = std::make_shared<HeapBacking>(bytes);
  uint8_t* data = backing->data();
  return {borrow_tensor(std::move(name), DType::kF8E4m3, Layout::kSf128x4, shape, std::move(backing), data, bytes, {rows, columns}), data};
}

Tensor borrow_tensor(std::string name, DType dtype, Layout layout, std::vector<int64_t> shape, std::shared_ptr<const Backing> backing, const uint8_t* data,
                     uint64_t bytes, const std::vector<int64_t>& logical) {
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.layout = layout;
  tensor.shape = std::move(shape);
  const uint64_t needed = storage_bytes(tensor.name, dtype, tensor.shape);
  if (needed != bytes) {
    throw Error(code::kWrongShape, tensor.name + ": shape " + shape_text(tensor.shape) + " of " + dtype_name(dtype) + " takes " + std::to_string(needed) + " bytes, not " + std::to_string(bytes),
                {{"subject", tensor.name}, {"expected", std::to_string(needed) + " bytes"}, {"found", std::to_string(bytes) + " bytes"}});
  }
  set_logical(tensor, logical);
  check_layout(tensor, logical);
  tensor.backing = std::move(backing);
  tensor.data = data;
  tensor.bytes = bytes;
  return tensor;
}

Tensor mma6d_tensor(const Tensor& scales, std::string name) {
  if (scales.layout != Layout::kSf128x4) throw Error(code::kInternal, scales.name + ": a 6D MMA view needs sf128x4 storage");
  const Mma6d view = mma6d_view(Swizzled128x4(scales.rows, scales.columns), scales.planes());
  Tensor tensor = scales;
  tensor.name = std::move(name);
  tensor.layout = Layout::kMma6d;
  tensor.shape.assign(view.shape.begin(), view.shape.end());
  tensor.strides.assign(view.strides.begin(), view.strides.end());
  return tensor;
}

moe_tensor abi_tensor(const Tensor& tensor) {
  if (tensor.dtype == DType::kI64 || tensor.shape.size() > 6) throw Error(code::kInternal, tensor.name + ": providers take no such tensor");
  moe_tensor out{};
  out.name = tensor.name.c_str();
  out.layout = layout_name(tensor.layout);
  out.dtype = static_cast<int32_t>(tensor.dtype);
  out.rank = static_cast<int32_t>(tensor.shape.size());
  for (size_t i = 0; i < tensor.shape.size(); ++i) out.shape[i] = tensor.shape[i];
  out.data = tensor.data;
  out.bytes = tensor.bytes;
  return out;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace moe
