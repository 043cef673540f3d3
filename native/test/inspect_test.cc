// Tiles, histograms, statistics, picks, hashes and safetensors files.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <csignal>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/error/error.h"
#include "core/formats/bf16.h"
#include "core/formats/e4m3.h"
#include "core/layout/scale_layout.h"
#include "core/random/philox.h"
#include "core/tensor/inspect.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/sha256.h"
#include "golden_file.h"
#include "made_layer.h"

using namespace moe;

namespace {

std::string code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

std::string sha_of(const std::string& text) { return sha256_hex(reinterpret_cast<const uint8_t*>(text.data()), text.size()); }

/// A linear tensor of the given values.
template <class T>
Tensor tensor_of(DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  NewTensor out = new_tensor("t", dtype, Layout::kLinear, std::move(shape));
  REQUIRE_EQ(out.tensor.bytes, values.size() * sizeof(T));
  std::memcpy(out.data, values.data(), out.tensor.bytes);
  return out.tensor;
}

/// Swizzled E4M3 scales of 2 planes with all kinds of codes and non-zero padding, which nothing may count.
Tensor swizzled_scales(int64_t rows, int64_t columns) {
  NewTensor out = new_scales("s", 2, rows, columns);
  std::memset(out.data, 0x55, out.tensor.bytes);
  const Swizzled128x4 layout(rows, columns);
  for (int64_t plane = 0; plane < 2; ++plane) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) {
        out.data[plane * layout.bytes() + layout.offset(row, column)] = static_cast<uint8_t>(philox(static_cast<uint64_t>((plane * rows + row) * columns + column), 3)[0] & 0x7FU);
      }
    }
  }
  return out.tensor;
}

}  // namespace

TEST_CASE("SHA-256: NIST's vectors") {
  CHECK_EQ(sha_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK_EQ(sha_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(sha_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK_EQ(sha_of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
           "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK_EQ(sha_of(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  for (const size_t length : {55U, 56U, 63U, 64U, 65U, 119U, 120U}) CHECK_NE(sha_of(std::string(length, 'x')), sha_of(std::string(length + 1, 'x')));
}

TEST_CASE("a tile over swizzled scales equals a direct reduction, and reads the logical rectangle only") {
  const Tensor scales = swizzled_scales(130, 10);
  const TileRequest request{1, 3, 120, 1, 9, 7, 2};
  const Tile out = tile(scales, request, {});
  const Swizzled128x4 layout(130, 10);
  for (int64_t r = 0; r < 7; ++r) {
    for (int64_t c = 0; c < 2; ++c) {
      double low = INFINITY, high = -INFINITY, sum = 0;
      int count = 0;
      uint8_t marks = 0;
      for (int64_t row = 3 + r * 120 / 7; row < 3 + (r + 1) * 120 / 7; ++row) {
        for (int64_t column = 1 + c * 9 / 2; column < 1 + (c + 1) * 9 / 2; ++column) {
          const uint8_t code = scales.data[layout.bytes() + layout.offset(row, column)];
          const double value = e4m3_decode(code);
          if (code == 0x7F) {
            marks |= kMarkNaN;
            continue;
          }
          marks |= static_cast<uint8_t>((code == 0 ? kMarkZero : 0) | (code > 0 && code < 8 ? kMarkSubnormal : 0) | (code == 0x7E ? kMarkSaturated : 0));
          low = std::fmin(low, value);
          high = std::fmax(high, value);
          sum += value;
          ++count;
        }
      }
      const auto i = static_cast<size_t>(r * 2 + c);
      CHECK_EQ(out.min[i], static_cast<float>(low));
      CHECK_EQ(out.max[i], static_cast<float>(high));
      CHECK_EQ(out.mean[i], static_cast<float>(sum / count));
      CHECK_EQ(out.marks[i], marks);
    }
  }
  // The 6D view shows the same tile.
  const Tile view = tile(mma6d_tensor(scales, "v"), request, {});
  CHECK(view.mean == out.mean);
  CHECK(view.marks == out.marks);
}

TEST_CASE("NaN cells, infinities, one cell an element") {
  const Tensor t = tensor_of<float>(DType::kF32, {2, 3}, {NAN, 1.0F, -2.0F, INFINITY, 0.0F, 1e-40F});
  const Tile out = tile(t, {0, 0, 2, 0, 3, 2, 3}, {});
  CHECK(std::isnan(out.min[0]));
  CHECK(std::isnan(out.mean[0]));
  CHECK_EQ(out.marks[0], kMarkNaN);
  CHECK_EQ(out.mean[2], -2.0F);
  CHECK_EQ(out.marks[3], kMarkSaturated);
  CHECK_EQ(out.marks[4], kMarkZero);
  CHECK_EQ(out.marks[5], kMarkSubnormal);
  CHECK_EQ(code_of([&] { tile(t, {0, 0, 3, 0, 3, 1, 1}, {}); }), "out-of-bounds");
  CHECK_EQ(code_of([&] { tile(t, {1, 0, 1, 0, 1, 1, 1}, {}); }), "out-of-bounds");
  CHECK_EQ(code_of([&] { tile(t, {0, 1, 1, 2, 2, 1, 1}, {}); }), "out-of-bounds");
  CHECK_EQ(code_of([&] { tile(t, {0, 0, 2, 0, 3, 3, 3}, {}); }), "usage");
}

TEST_CASE("histograms and statistics leave padding out") {
  const Tensor scales = swizzled_scales(130, 10);
  const std::vector<double> all = histogram(scales, -1, {});
  REQUIRE_EQ(all.size(), 256);
  double total = 0;
  for (const double count : all) total += count;
  CHECK_EQ(total, 2 * 130 * 10);
  const std::vector<double> first = histogram(scales, 0, {});
  const std::vector<double> second = histogram(scales, 1, {});
  for (size_t i = 0; i < 256; ++i) CHECK_EQ(all[i], first[i] + second[i]);
  const std::vector<TensorStats> planes = stats(scales, {});
  REQUIRE_EQ(planes.size(), 2);
  double sum = 0, subnormal = 0, seen = 0;
  for (int code = 0; code < 127; ++code) {
    sum += second[static_cast<size_t>(code)] * e4m3_decode(static_cast<uint8_t>(code));
    seen += second[static_cast<size_t>(code)];
    if (code > 0 && code < 8) subnormal += second[static_cast<size_t>(code)];
  }
  CHECK_EQ(planes[1].count, 1300);
  CHECK_EQ(planes[1].nan, second[127]);
  CHECK_EQ(planes[1].zero, second[0]);
  CHECK_EQ(planes[1].subnormal, subnormal);
  CHECK_EQ(planes[1].saturated, second[126]);
  CHECK_EQ(planes[1].mean, doctest::Approx(sum / seen).epsilon(1e-14));
  CHECK_EQ(planes[1].max, 448);

  NewTensor fp4 = new_tensor("w", DType::kU8, Layout::kFp4, {1, 2, 8});
  for (int i = 0; i < 16; ++i) fp4.data[i] = static_cast<uint8_t>(i);  // high nibbles 0, low nibbles 0..15
  const std::vector<double> codes = histogram(fp4.tensor, 0, {});
  REQUIRE_EQ(codes.size(), 16);
  CHECK_EQ(codes[0], 17);
  for (size_t i = 1; i < 16; ++i) CHECK_EQ(codes[i], 1);
  CHECK_EQ(stats(fp4.tensor, {})[0].zero, 18);       // 17 of +0 and one -0
  CHECK_EQ(stats(fp4.tensor, {})[0].subnormal, 2);   // +-0.5
  CHECK_EQ(stats(fp4.tensor, {})[0].saturated, 2);   // +-6
  CHECK_EQ(stats(fp4.tensor, {})[0].min, -6);

  const Tensor wide = tensor_of<double>(DType::kF64, {1, 6}, {1.0, 1.9, -4.0, 1e300, 0.0, NAN});
  const std::vector<double> bins = histogram(wide, -1, {});
  REQUIRE_EQ(bins.size(), 64);
  CHECK_EQ(bins[40], 2);
  CHECK_EQ(bins[42], 1);
  CHECK_EQ(bins[63], 1);
  CHECK_EQ(bins[0], 1);
  const TensorStats nothing = stats(tensor_of<float>(DType::kF32, {1, 1}, {NAN}), {})[0];
  CHECK(std::isnan(nothing.mean));
  CHECK(std::isnan(nothing.min));
}

TEST_CASE("a pick gives every address of an element") {
  const Tensor scales = swizzled_scales(130, 10);
  const Pick at = pick(scales, 1, 33, 5);
  CHECK_EQ(at.linear_offset, (130 + 33) * 10 + 5);
  CHECK_EQ(*at.swizzled_offset, 256 * 12 + 512 + 16 + 4 + 1);
  CHECK(at.mma6d == std::array<int64_t, 6>{1, 1, 0, 1, 1, 1});
  CHECK_EQ(at.element.bits, scales.data[*at.swizzled_offset]);
  CHECK_EQ(code_of([&] { pick(scales, 1, 130, 0); }), "out-of-bounds");  // padding is not an element
  CHECK_EQ(code_of([&] { pick(scales, 2, 0, 0); }), "out-of-bounds");
  const Pick bf16 = pick(tensor_of<uint16_t>(DType::kBf16, {1, 2}, {bf16_encode(1.5F), 0x7F80}), 0, 0, 1);
  CHECK_FALSE(bf16.swizzled_offset.has_value());
  CHECK_EQ(bf16.element.bits, 0x7F80);
  CHECK_EQ(std::string(kind_name(bf16.element.kind)), "infinite");
  const Pick integer = pick(tensor_of<int64_t>(DType::kI64, {1, 1}, {-3}), 0, 0, 0);
  CHECK_EQ(integer.element.value, -3.0);
}

TEST_CASE("tensors that do not fit their bytes or layout are refused") {
  const auto backing = std::make_shared<HeapBacking>(64);
  const auto borrow = [&](DType dtype, Layout layout, std::vector<int64_t> shape, uint64_t bytes, const std::vector<int64_t>& logical = {}) {
    return code_of([&] { borrow_tensor("t", dtype, layout, std::move(shape), backing, backing->data(), bytes, logical); });
  };
  CHECK_EQ(borrow(DType::kF32, Layout::kLinear, {4, 4}, 64), "");
  CHECK_EQ(borrow(DType::kF32, Layout::kLinear, {4, 4}, 60), "wrong-shape");
  CHECK_EQ(borrow(DType::kF32, Layout::kLinear, {-4, -4}, 64), "wrong-shape");
  CHECK_EQ(borrow(DType::kF32, Layout::kLinear, {1LL << 40, 1LL << 40}, 64), "wrong-shape");
  CHECK_EQ(borrow(DType::kF32, Layout::kFp4, {4, 4}, 64), "wrong-dtype");
  CHECK_EQ(borrow(DType::kF8E4m3, Layout::kSf128x4, {8, 8}, 64, {8, 8}), "wrong-shape");
  CHECK_EQ(borrow(DType::kF8E4m3, Layout::kMma6d, {8, 8}, 64), "usage");
  CHECK_EQ(code_of([] { dtype_from_name("F4"); }), "wrong-dtype");
  CHECK_EQ(code_of([] { layout_from_name("zigzag"); }), "usage");
}

TEST_CASE("a safetensors file: header, alignment, contents; nothing is left behind on failure") {
  const moe::test::ScratchFolder folder;
  const std::string path = folder.file("out.safetensors");
  const Tensor scales = swizzled_scales(3, 2);
  Tensor bytes = tensor_of<uint8_t>(DType::kU8, {3}, {1, 2, 3});
  bytes.name = "bytes \"quoted\"";
  Tensor wide = tensor_of<double>(DType::kF64, {1, 2}, {1.5, -2.5});
  wide.name = "wide";
  write_safetensors(path, {scales, bytes, wide}, {{"contract", "clean"}}, {});
  const moe::test::GoldenFile back(path);
  CHECK(back.tensor<double>("wide") == std::vector<double>{1.5, -2.5});
  CHECK(back.shape("s") == std::vector<int64_t>{2, 128, 4});
  CHECK_EQ(std::memcmp(back.tensor<uint8_t>("s").data(), scales.data, scales.bytes), 0);
  CHECK(back.has("bytes \\\"quoted\\\""));
  CHECK_EQ(back.range("wide").first % 8, 0);

  CHECK_EQ(code_of([&] { write_safetensors(folder.file("absent/x.safetensors"), {wide}, {}, {}); }), "file-not-found");
  CHECK_EQ(code_of([&] { write_safetensors(path, {wide, wide}, {}, {}); }), "usage");
  std::filesystem::create_directory(folder.file("folder"));
  CHECK_EQ(code_of([&] { write_safetensors(folder.file("folder"), {wide}, {}, {}); }), "file-unreadable");
  std::filesystem::remove(folder.file("folder"));
  std::atomic<int32_t> cancel{1};
  Task cancelled;
  cancelled.cancel = &cancel;
  CHECK_EQ(code_of([&] { write_safetensors(path, {wide}, {}, cancelled); }), "cancelled");

  // A disk that takes no more, by a limit on the size of files.
  const NewTensor large = new_tensor("large", DType::kU8, Layout::kLinear, {1 << 20});
  std::memset(large.data, 1, large.tensor.bytes);
  rlimit before{};
  REQUIRE_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  REQUIRE_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string full = code_of([&] { write_safetensors(path, {large.tensor}, {}, {}); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  CHECK_EQ(full, "disk-full");
  // The earlier file is whole and alone.
  CHECK(moe::test::GoldenFile(path).tensor<double>("wide") == std::vector<double>{1.5, -2.5});
  const auto entries = std::filesystem::directory_iterator(std::filesystem::path(path).parent_path());
  CHECK_EQ(std::distance(begin(entries), end(entries)), 1);
}
