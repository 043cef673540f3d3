// How the CUTLASS families lay out what their kernels work on, K that is an odd multiple of 16 above all: cutlass-sm120 was never run
// on a card, and its TMA reads 32 codes of K at a time. The families' own host code, on kernels that only note what they are given.
// What a kernel touches is derived here from its contract (operands.h, grouped_gemm.h, expert_gemm.h), not from the code under test.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "core/layout/scale_layout.h"
#include "cuda/copy_error.h"
#include "cuda/launch.h"
#include "fake_cutlass.h"

using namespace moe;
using namespace moe::test;
using namespace moe::cuda;
using namespace moe::cuda::cutlass_path;

namespace {

constexpr size_t kAlignment = 256;

struct Shape {
  int hidden, intermediate, experts, top_k, tokens;
  bool gated;
};

std::string text(const Shape& s) {
  return "H " + std::to_string(s.hidden) + " I " + std::to_string(s.intermediate) + " E " + std::to_string(s.experts) + " k " + std::to_string(s.top_k) + " T " + std::to_string(s.tokens) +
         (s.gated ? " gated" : " relu2");
}

/// Every pairing of the widths that padding concerns, with the seams of T and skewed E and k taken in turn.
std::vector<Shape> shapes() {
  const std::vector<int> hidden = {16, 48, 1024, 1040, 2048, 2064, 2880, 4080, 7168, 7184};
  const std::vector<int> intermediate = {16, 48, 688, 704, 720, 768, 1856, 1872, 2688, 2880, 2896};
  const std::vector<int> experts = {1, 8, 128, 512};
  const std::vector<int> tokens = {1, 2, 7, 31, 64, 65, 127, 128, 129, 1000, 4096, 16384};
  std::vector<Shape> out;
  std::mt19937 random(7);
  const auto any = [&](const std::vector<int>& of) { return of[random() % of.size()]; };
  for (const int h : hidden) {
    for (const int i : intermediate) {
      for (int n = 0; n < 8; ++n) {
        const int e = any(experts);
        out.push_back({h, i, e, 1 + static_cast<int>(random() % std::min(e, 22)), any(tokens), n % 2 == 0});
      }
    }
  }
  return out;
}

DeviceOperand operand(int n, int k, int experts) {
  DeviceOperand out;
  out.n = n;
  out.k = k;
  out.scale_plane_bytes = static_cast<size_t>(Swizzled128x4(n, k / 16).bytes());
  out.packed = device.make(static_cast<size_t>(experts) * static_cast<size_t>(n) * static_cast<size_t>(k) / 2);
  out.scales = device.make(static_cast<size_t>(experts) * out.scale_plane_bytes);
  return out;
}

DeviceLayer layer_of(const Shape& shape, int major) {
  DeviceLayer layer;
  layer.hidden = shape.hidden;
  layer.intermediate = shape.intermediate;
  layer.experts = shape.experts;
  layer.top_k = shape.top_k;
  layer.gated = shape.gated;
  layer.activation = shape.gated ? MOE_SILU : MOE_RELU2;
  layer.sm_count = 132;
  layer.compute_major = major;
  layer.cutlass.w13 = operand(shape.gated ? 2 * shape.intermediate : shape.intermediate, shape.hidden, shape.experts);
  layer.cutlass.w2 = operand(shape.hidden, shape.intermediate, shape.experts);
  return layer;
}

/// The layer's own tensors, gone again.
void drop(const DeviceLayer& layer) {
  for (const DeviceOperand* weights : {&layer.cutlass.w13, &layer.cutlass.w2}) {
    device.drop(const_cast<uint8_t*>(weights->packed));
    device.drop(const_cast<uint8_t*>(weights->scales));
  }
}

RunShape run_of(const Shape& shape) {
  RunShape run;
  run.tokens = shape.tokens;
  run.path = MOE_PATH_CUTLASS;
  run.kernel = MOE_KERNEL_CUTLASS;
  return run;
}

/// A piece of the workspace that kernels touch.
struct Region {
  std::string name;
  const void* at;
  size_t bytes;
};

/// Regions inside the workspace, at multiples of 256, none over another, and the workspace no larger than they need.
void check_regions(std::vector<Region> regions, const uint8_t* workspace, size_t bytes) {
  std::sort(regions.begin(), regions.end(), [](const Region& a, const Region& b) { return a.at < b.at; });
  size_t needed = 0;
  const uint8_t* end = workspace;
  for (const Region& region : regions) {
    CAPTURE(region.name);
    const auto* at = static_cast<const uint8_t*>(region.at);
    CHECK_EQ(reinterpret_cast<uintptr_t>(at) % kAlignment, 0);
    CHECK_GE(reinterpret_cast<uintptr_t>(at), reinterpret_cast<uintptr_t>(end));
    end = at + region.bytes;
    needed += (region.bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  CHECK_LE(reinterpret_cast<uintptr_t>(end), reinterpret_cast<uintptr_t>(workspace + bytes));
  CHECK_EQ(needed, bytes);
}

std::vector<Region> sort_regions(const Shape& shape) {
  const auto pairs = static_cast<size_t>(shape.tokens) * static_cast<size_t>(shape.top_k);
  const size_t offsets = (static_cast<size_t>(shape.experts) + 1) * sizeof(int32_t);
  const Launches::Sort& sort = launches.sort.value();
  return {{"offsets", sort.rows.offsets, offsets},
          {"pairs", sort.rows.pairs, pairs * sizeof(int32_t)},
          {"row_of_pair", sort.rows.row_of_pair, pairs * sizeof(int32_t)},
          {"tile_offsets", sort.rows.tile_offsets, offsets},
          {"sort scratch", sort.scratch, scratch_bytes(static_cast<int>(pairs), shape.experts)}};
}

/// Tiles of 128 rows, each expert's own: the worst routing gives every expert one row and one of them the rest.
size_t most_row_tiles(const Shape& shape) {
  const int pairs = shape.tokens * shape.top_k;
  const int groups = std::min(pairs, shape.experts);
  return static_cast<size_t>(groups - 1 + (pairs - (groups - 1) + 127) / 128);
}

/// CUTLASS's layout of block scales: 512 bytes for 128 rows and 64 columns of K.
size_t scale_bytes(size_t row_tiles, int k) { return row_tiles * static_cast<size_t>((k + 63) / 64) * 512; }

void add_arrays(std::vector<Region>& regions, const std::string& gemm, const GroupArrays& arrays, const Shape& shape) {
  const auto groups = static_cast<size_t>(shape.experts);
  const auto add = [&](const char* name, const void* at, size_t each) { regions.push_back({gemm + name, at, groups * each}); };
  add(" shape", arrays.shape, 3 * sizeof(int));
  add(" a", arrays.a, sizeof(void*));
  add(" b", arrays.b, sizeof(void*));
  add(" d", arrays.d, sizeof(void*));
  add(" stride a", arrays.stride_a, sizeof(int64_t));
  add(" stride b", arrays.stride_b, sizeof(int64_t));
  add(" stride d", arrays.stride_d, sizeof(int64_t));
  add(" sfa", arrays.sfa, sizeof(void*));
  add(" sfb", arrays.sfb, sizeof(void*));
  add(" layout sfa", arrays.layout_sfa, kLayoutBytes);
  add(" layout sfb", arrays.layout_sfb, kLayoutBytes);
}

/// What CUTLASS's SM120 GEMM asks of a group's operands, wherever the group's first row lies (layer_kernels.cu, fill_group).
void check_groups(const GroupSource& source, const DeviceOperand& given, const Shape& shape) {
  const DeviceOperand& weights = source.weights;
  CHECK_EQ(weights.n, given.n);
  CHECK_EQ(weights.k % 32, 0);
  CHECK_EQ(weights.k - given.k, given.k % 32);  // 0 or 16 columns of zeros
  // Addresses that TMA takes are multiples of 16 bytes in every row and every expert; so are leading dimensions.
  CHECK_EQ(weights.k / 2 % 16, 0);
  CHECK_EQ(weights.n * sizeof(uint16_t) % 16, 0);
  CHECK_EQ(reinterpret_cast<uintptr_t>(weights.packed) % 16, 0);
  CHECK_EQ(reinterpret_cast<uintptr_t>(weights.scales) % 128, 0);
  CHECK_EQ(weights.scale_plane_bytes % 512, 0);
  // The planes were laid out for the unpadded K and are read for the padded one.
  CHECK_EQ(weights.scales, given.scales);
  CHECK_EQ(weights.scale_plane_bytes, scale_bytes(static_cast<size_t>((weights.n + 127) / 128), weights.k));
  CHECK_EQ(device.bytes_of(weights.packed), static_cast<size_t>(shape.experts) * static_cast<size_t>(weights.n) * static_cast<size_t>(weights.k) / 2);
}

/// Prepares and enqueues; `body` sees the launches.
template <class Body>
void run(const KernelFamily& family, const DeviceLayer& layer, const Shape& shape, const Body& body) {
  launches = {};
  const std::unique_ptr<FamilyLayer> own(family.prepare(layer));
  CHECK_EQ(own->bytes(), device.allocated);
  const size_t bytes = family.workspace_bytes(layer, own.get(), run_of(shape));
  DeviceBatch batch;
  auto* workspace = device.make(bytes);
  batch.workspace = workspace;
  family.enqueue(layer, own.get(), run_of(shape), batch, nullptr, nullptr);
  body(workspace, bytes);
  device.drop(workspace);
}

}  // namespace

TEST_CASE("cutlass-sm120: operands padded to 32 of K and a workspace without gaps or overlaps, for every pairing of widths") {
  device = {};
  for (const Shape& shape : shapes()) {
    CAPTURE(text(shape));
    const DeviceLayer layer = layer_of(shape, 12);
    run(cutlass_sm120(), layer, shape, [&](const uint8_t* workspace, size_t bytes) {
      const auto pairs = static_cast<size_t>(shape.tokens) * static_cast<size_t>(shape.top_k);
      const GroupSource& fc1 = launches.fc1.value();
      const GroupSource& fc2 = launches.fc2.value();
      check_groups(fc1, layer.cutlass.w13, shape);
      check_groups(fc2, layer.cutlass.w2, shape);
      CHECK_EQ(launches.sort->tile_rows, 128);

      std::vector<Region> regions = sort_regions(shape);
      add_arrays(regions, "fc1", fc1.arrays, shape);
      add_arrays(regions, "fc2", fc2.arrays, shape);
      regions.push_back({"x codes", fc1.rows.codes, pairs * static_cast<size_t>(fc1.weights.k) / 2});
      regions.push_back({"x scales", fc1.rows.scales, scale_bytes(most_row_tiles(shape), fc1.weights.k)});
      regions.push_back({"act codes", fc2.rows.codes, pairs * static_cast<size_t>(fc2.weights.k) / 2});
      regions.push_back({"act scales", fc2.rows.scales, scale_bytes(most_row_tiles(shape), fc2.weights.k)});
      regions.push_back({"fc1", fc1.out, pairs * static_cast<size_t>(fc1.weights.n) * sizeof(uint16_t)});
      regions.push_back({"fc2", fc2.out, pairs * static_cast<size_t>(fc2.weights.n) * sizeof(uint16_t)});
      regions.push_back({"gemm", launches.gemms.at(0).workspace, gemm_bytes(layer.sm_count)});
      check_regions(regions, workspace, bytes);

      // Who writes an operand and who reads it mean the same memory.
      CHECK_EQ(launches.gemms.size(), 2);
      CHECK_EQ(launches.gemms[1].workspace, launches.gemms[0].workspace);
      CHECK_EQ(launches.gemms[0].arrays.a, fc1.arrays.a);
      CHECK_EQ(launches.gemms[1].arrays.a, fc2.arrays.a);
      CHECK_EQ(launches.expand->out.codes, fc1.rows.codes);
      CHECK_EQ(launches.expand->out.scales, fc1.rows.scales);
      CHECK_EQ(launches.expand->hidden, shape.hidden);
      CHECK_EQ(launches.activate->fc1, fc1.out);
      CHECK_EQ(launches.activate->out.codes, fc2.rows.codes);
      CHECK_EQ(launches.activate->out.scales, fc2.rows.scales);
      CHECK_EQ(launches.activate->intermediate, shape.intermediate);
      CHECK_EQ(launches.finalize->rows, fc2.out);
      const bool large = pairs > 128 * static_cast<size_t>(shape.experts);
      for (const Launches::Gemm& gemm : launches.gemms) CHECK_EQ(gemm.name, large ? "large" : "small");
    });
    drop(layer);
    CHECK_EQ(device.allocated, 0);
    CHECK_FALSE(device.out_of_bounds);
  }
}

TEST_CASE("cutlass-sm120: the bound on scale regions holds for routings of every kind") {
  std::mt19937 random(11);
  for (const int experts : {1, 2, 8, 128, 512}) {
    for (const int pairs : {1, 2, 8, 127, 128, 129, 255, 257, 4096, 50000}) {
      for (int kind = 0; kind < 6; ++kind) {
        std::vector<int> counts(static_cast<size_t>(experts), 0);
        const int used = kind == 0 ? 1 : kind == 1 ? experts : 1 + static_cast<int>(random() % static_cast<unsigned>(experts));
        for (int i = 0; i < pairs; ++i) ++counts[kind < 2 ? static_cast<size_t>(i % used) : random() % static_cast<unsigned>(used)];
        int tiles = 0;
        for (const int count : counts) tiles += (count + 127) / 128;
        CHECK_LE(tiles, max_row_tiles(pairs, experts, 128));
      }
      CHECK_EQ(most_row_tiles({0, 0, experts, 1, pairs, true}), static_cast<size_t>(max_row_tiles(pairs, experts, 128)));
    }
  }
}

TEST_CASE("cutlass-sm120: a padded weight row is the row and zeros; a K of whole 32 stays where it is") {
  for (const int hidden : {64, 80, 720}) {
    for (const int intermediate : {96, 112, 704, 1872}) {
      const Shape shape{hidden, intermediate, 3, 2, 4, true};
      CAPTURE(text(shape));
      device = {};
      device.real = true;
      const DeviceLayer layer = layer_of(shape, 12);
      std::mt19937 random(5);
      for (const DeviceOperand* weights : {&layer.cutlass.w13, &layer.cutlass.w2}) {
        std::generate_n(const_cast<uint8_t*>(weights->packed), device.bytes_of(weights->packed), [&] { return static_cast<uint8_t>(random()); });
      }
      run(cutlass_sm120(), layer, shape, [&](const uint8_t*, size_t) {
        const auto check = [&](const DeviceOperand& padded, const DeviceOperand& given) {
          CHECK_EQ(padded.packed == given.packed, given.k % 32 == 0);
          const auto row = static_cast<size_t>(given.k) / 2;
          const auto padded_row = static_cast<size_t>(padded.k) / 2;
          bool same = true;
          for (size_t r = 0; r < 3 * static_cast<size_t>(given.n); ++r) {
            const uint8_t* found = padded.packed + r * padded_row;
            same = same && std::memcmp(found, given.packed + r * row, row) == 0 && std::all_of(found + row, found + padded_row, [](uint8_t code) { return code == 0; });
          }
          CHECK(same);
        };
        check(launches.fc1->weights, layer.cutlass.w13);
        check(launches.fc2->weights, layer.cutlass.w2);
      });
      drop(layer);
      CHECK_FALSE(device.out_of_bounds);
    }
  }
}

TEST_CASE("cutlass-sm90: rows in whole panels of 64 columns, and a workspace without gaps or overlaps") {
  device = {};
  for (const Shape& shape : shapes()) {
    CAPTURE(text(shape));
    const DeviceLayer layer = layer_of(shape, 9);
    run(cutlass_sm90(), layer, shape, [&](const uint8_t* workspace, size_t bytes) {
      const auto pairs = static_cast<size_t>(shape.tokens) * static_cast<size_t>(shape.top_k);
      const auto panel_bytes = [&](int k) { return pairs * static_cast<size_t>((k + 63) / 64) * 64 * sizeof(uint16_t); };
      std::vector<Region> regions = sort_regions(shape);
      // FC2's rows take the place of x, which FC1 has read.
      regions.push_back({"x", launches.expand->out.upcast, panel_bytes(shape.hidden)});
      regions.push_back({"act", launches.activated->out, panel_bytes(shape.intermediate)});
      check_regions(regions, workspace, bytes);
      CHECK_EQ(launches.stored->out, launches.expand->out.upcast);
      CHECK_EQ(launches.expert_gemms.at(0).rows, launches.expand->out.upcast);
      CHECK_EQ(launches.expert_gemms.at(1).rows, launches.activated->out);
      CHECK_EQ(launches.finalize->rows, launches.stored->out);
    });
    drop(layer);
    CHECK_EQ(device.allocated, 0);
    CHECK_FALSE(device.out_of_bounds);
  }
}

TEST_CASE("a copy that does not fit: its whole size, what it is and what to do; the piece that did fit is freed") {
  for (const auto& [family, major] : {std::pair<const KernelFamily*, int>{&cutlass_sm90(), 9}, {&cutlass_sm120(), 12}}) {
    CAPTURE(family->name());
    device = {};
    const DeviceLayer layer = layer_of({2064, 720, 8, 2, 1, true}, major);
    const uint64_t whole = std::unique_ptr<FamilyLayer>(family->prepare(layer))->bytes();
    for (const uint64_t capacity : {uint64_t{0}, whole - 1}) {
      device.capacity = capacity;
      std::string code;
      double bytes = 0;
      bool remedy = false;
      try {
        delete family->prepare(layer);
      } catch (const Error& error) {
        code = error.code();
        for (const auto& [key, value] : error.details()) {
          if (key == kCopyBytes) bytes = std::get<double>(value);
          remedy = remedy || (key == "remedy" && std::get<std::string>(value).find("threshold 0") != std::string::npos);
        }
      }
      CHECK_EQ(code, code::kOutOfMemory);
      CHECK_EQ(bytes, static_cast<double>(whole));
      CHECK(remedy);
      CHECK_EQ(device.allocated, 0);
      CHECK_EQ(cudaGetLastError(), cudaSuccess);
    }
  }
}
