// Mapped files and the assembly of a checkpoint layer: rows, merges, scale checks, hazards.
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error/error.h"
#include "core/formats/e4m3.h"
#include "made_layer.h"

using namespace moe;
using moe::test::MadeLayer;
using moe::test::ScratchFolder;

namespace {

/// The error of a call, or an empty code.
template <class Body>
Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return Error("", "");
}

template <class T>
T fact(const Error& error, const std::string& name) {
  for (const auto& [key, value] : error.details()) {
    if (key == name) return std::get<T>(value);
  }
  FAIL("no fact " << name);
  return T{};
}

bool same(const uint8_t* data, const std::vector<uint8_t>& expected) { return std::memcmp(data, expected.data(), expected.size()) == 0; }

}  // namespace

TEST_CASE("a mapped file: bounds, empty, folder, absent, special") {
  const ScratchFolder folder;
  const std::string path = folder.file("a");
  std::ofstream(path) << "0123456789";
  const auto file = MappedFile::open(path);
  CHECK_EQ(file->size(), 10);
  CHECK_EQ(*file->range(9, 1), '9');
  CHECK_NOTHROW(file->range(10, 0));
  CHECK_EQ(error_of([&] { file->range(10, 1); }).code(), "out-of-bounds");
  CHECK_EQ(error_of([&] { file->range(1, std::numeric_limits<uint64_t>::max()); }).code(), "out-of-bounds");
  CHECK_EQ(error_of([&] { file->range(1ULL << 63U, 1); }).code(), "out-of-bounds");
  std::ofstream(folder.file("empty")).flush();
  const auto empty = MappedFile::open(folder.file("empty"));
  CHECK_EQ(empty->size(), 0);
  CHECK_NOTHROW(empty->range(0, 0));
  CHECK_EQ(error_of([&] { empty->range(0, 1); }).code(), "out-of-bounds");
  CHECK_EQ(error_of([&] { MappedFile::open(folder.file("absent")); }).code(), "file-not-found");
  CHECK_EQ(error_of([&] { MappedFile::open(path + "/below"); }).code(), "file-not-found");
  CHECK_EQ(error_of([&] { MappedFile::open(folder.file("")); }).code(), "file-unreadable");
  REQUIRE_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
  CHECK_EQ(error_of([&] { MappedFile::open(folder.file("pipe")); }).code(), "file-unreadable");
  if (::geteuid() != 0) {  // root may read anything
    ::chmod(path.c_str(), 0);
    CHECK_EQ(error_of([&] { MappedFile::open(path); }).code(), "file-unreadable");
  }
}

TEST_CASE("a file cut while it is open is noticed, not a fault") {
  const MadeLayer made;
  const AssembleSpec spec = made.spec();
  CHECK_NOTHROW(spec.files[0]->ensure_readable());
  REQUIRE_EQ(::truncate(spec.files[0]->path().c_str(), 100), 0);
  CHECK_EQ(error_of([&] { spec.files[0]->ensure_readable(); }).code(), "file-truncated");
  CHECK_EQ(error_of([&] { assemble(spec, {}); }).code(), "file-truncated");
}

TEST_CASE("gated: rows are [up, gate], bytes as stored, scalars in the small form") {
  const MadeLayer made;
  const auto layer = made.assembled();
  const int64_t experts = made.shape.experts;
  CHECK(layer->w13_weight.shape == std::vector<int64_t>{experts, 160, 48});
  CHECK(layer->w2_weight.shape == std::vector<int64_t>{experts, 96, 40});
  CHECK(layer->w13_weight_scale.shape == std::vector<int64_t>{experts, 160, 6});
  CHECK(layer->w2_weight_scale.shape == std::vector<int64_t>{experts, 96, 5});
  for (int64_t e = 0; e < experts; ++e) {
    const auto i = static_cast<size_t>(e);
    CHECK(same(layer->w13_weight.plane(e), made.up.packed[i]));
    CHECK(same(layer->w13_weight.plane(e) + made.up.packed[i].size(), made.gate.packed[i]));
    CHECK(same(layer->w2_weight.plane(e), made.down.packed[i]));
    CHECK(same(layer->w13_weight_scale.plane(e), made.up.scale[i]));
    CHECK(same(layer->w13_weight_scale.plane(e) + made.up.scale[i].size(), made.gate.scale[i]));
    CHECK(same(layer->w2_weight_scale.plane(e), made.down.scale[i]));
    CHECK_EQ(layer->w13_weight_scale_2.f32()[e], made.up.s2[i]);
    CHECK_EQ(layer->w2_weight_scale_2.f32()[e], made.down.s2[i]);
    CHECK_EQ(layer->w13_input_scale->f32()[2 * e], made.gate.input[i]);
    CHECK_EQ(layer->w13_input_scale->f32()[2 * e + 1], made.up.input[i]);
    // What the reference provider gets.
    CHECK_EQ(layer->up[i].packed, layer->w13_weight.plane(e));
    CHECK(same(layer->gate[i].packed, made.gate.packed[i]));
    CHECK(same(layer->gate[i].block_scale, made.gate.scale[i]));
    CHECK_EQ(layer->gate[i].s2, made.gate.s2[i]);
    CHECK_EQ(layer->gate[i].s2_inverse, 0.0F);
    CHECK_EQ(layer->down[i].input_scale, made.down.input[i]);
  }
  CHECK_EQ(layer->report.differing_gate_up, 0);
  CHECK_EQ(layer->report.rescaled_block_scales, 0);
  CHECK_EQ(*layer->report.a1, 1.9e-3F * (1.0F + 0.11F * 4.0F));
  CHECK_EQ(*layer->report.a2, 1.1e-2F * (1.0F + 0.11F * 4.0F));
  CHECK_EQ(layer->report.s2_min, 0.9e-4F);
  CHECK_EQ(layer->report.s2_max, 1.3e-4F * (1.0F + 0.37F * 4.0F));
}

TEST_CASE("non-gated: w13 has I rows; weights only: no input scales") {
  const MadeLayer made(false, false);
  const auto layer = made.assembled();
  CHECK(layer->w13_weight.shape == std::vector<int64_t>{5, 80, 48});
  CHECK(layer->gate.empty());
  CHECK_FALSE(layer->has_input_scales());
  CHECK_FALSE(layer->report.a1.has_value());
  CHECK_EQ(layer->tensors().size(), 6);
  CHECK_EQ(layer->up[0].input_scale, 0.0F);
}

TEST_CASE("the large form is inverted once, in fp32, and kept as stored for the reference") {
  MadeLayer made;
  made.convention = Convention::kLarge;
  for (moe::test::MadeProjection* p : {&made.gate, &made.up, &made.down}) {
    for (float& x : p->s2) x = std::round(1.0F / x);
    for (float& x : p->input) x = std::round(1.0F / x);
  }
  const auto layer = made.assembled();
  float a2 = 0;
  for (size_t e = 0; e < 5; ++e) {
    CHECK_EQ(layer->w13_weight_scale_2.f32()[e], 1.0F / made.up.s2[e]);
    CHECK_EQ(layer->up[e].s2, 0.0F);
    CHECK_EQ(layer->up[e].s2_inverse, made.up.s2[e]);
    CHECK_EQ(layer->up[e].input_scale_inverse, made.up.input[e]);
    a2 = std::fmax(a2, 1.0F / made.down.input[e]);
  }
  CHECK_EQ(*layer->report.a2, a2);
}

TEST_CASE("gate and up with different s2: max rescales the smaller half, column 0 takes gate's") {
  MadeLayer made;
  made.gate.s2[1] = made.up.s2[1] * 0.5F;   // exact: only exponents move, but small scales may round
  made.gate.s2[3] = made.up.s2[3] * 1.37F;  // up is the smaller half
  const auto layer = made.assembled();
  CHECK_EQ(layer->report.differing_gate_up, 2);
  const size_t half = made.up.scale[0].size();
  CHECK_EQ(layer->w13_weight_scale_2.f32()[1], made.up.s2[1]);
  CHECK_EQ(layer->w13_weight_scale_2.f32()[3], made.gate.s2[3]);
  int64_t changed = 0;
  for (size_t i = 0; i < half; ++i) {
    const uint8_t gate1 = e4m3_encode(e4m3_decode(made.gate.scale[1][i]) * 0.5F);
    const uint8_t up3 = e4m3_encode(e4m3_decode(made.up.scale[3][i]) * (made.up.s2[3] / made.gate.s2[3]));
    CHECK_EQ(layer->w13_weight_scale.plane(1)[half + i], gate1);
    CHECK_EQ(layer->w13_weight_scale.plane(3)[i], up3);
    changed += (gate1 != made.gate.scale[1][i] ? 1 : 0) + (up3 != made.up.scale[3][i] ? 1 : 0);
  }
  CHECK(same(layer->w13_weight_scale.plane(1), made.up.scale[1]));
  CHECK(same(layer->w13_weight_scale.plane(3) + half, made.gate.scale[3]));
  CHECK_EQ(layer->report.rescaled_block_scales, changed);
  CHECK_GT(changed, 0);
  // The reference keeps the original bytes.
  CHECK(same(layer->gate[1].block_scale, made.gate.scale[1]));
  CHECK(same(layer->up[3].block_scale, made.up.scale[3]));

  made.merge = Merge::kColumn0;
  const auto column0 = made.assembled();
  CHECK_EQ(column0->report.differing_gate_up, 2);
  CHECK_EQ(column0->report.rescaled_block_scales, 0);
  CHECK_EQ(column0->w13_weight_scale_2.f32()[1], made.gate.s2[1]);
  CHECK_EQ(column0->w13_weight_scale_2.f32()[3], made.gate.s2[3]);
  CHECK(same(column0->w13_weight_scale.plane(3), made.up.scale[3]));
}

TEST_CASE("bad scales are named by projection, expert, row and column") {
  for (const auto& [byte, word] : std::vector<std::pair<uint8_t, std::string>>{{0x7F, "NaN"}, {0xFF, "NaN"}, {0x80, "negative"}, {0xB0, "negative"}}) {
    MadeLayer made;
    made.gate.scale[2][3 * 6 + 4] = byte;
    const Error error = error_of([&] { made.assembled(); });
    CHECK_EQ(error.code(), "bad-scale");
    CHECK_NE(error.message().find(word), std::string::npos);
    CHECK_EQ(fact<std::string>(error, "projection"), "gate");
    CHECK_EQ(fact<std::string>(error, "field"), "weight_scale");
    CHECK_EQ(fact<double>(error, "expert"), 2);
    CHECK_EQ(fact<double>(error, "row"), 3);
    CHECK_EQ(fact<double>(error, "column"), 4);
  }
  for (const float bad : {0.0F, -1e-4F, INFINITY, NAN, 1e-45F}) {
    MadeLayer made;
    made.down.s2[4] = bad;
    const Error error = error_of([&] { made.assembled(); });
    CHECK_EQ(error.code(), "bad-scale");
    CHECK_EQ(fact<std::string>(error, "projection"), "down");
    CHECK_EQ(fact<std::string>(error, "field"), "weight_scale_2");
    CHECK_EQ(fact<double>(error, "expert"), 4);
    MadeLayer input;
    input.up.input[1] = bad;
    CHECK_EQ(fact<std::string>(error_of([&] { input.assembled(); }), "field"), "input_scale");
  }
  MadeLayer partial;
  partial.gate.input.clear();
  CHECK_EQ(error_of([&] { partial.assembled(); }).code(), "bad-scale");
}

TEST_CASE("shapes and sources that cannot be") {
  const auto with_shape = [](auto change) {
    const MadeLayer made;
    AssembleSpec spec = made.spec();
    change(spec);
    return error_of([&] { assemble(spec, {}); }).code();
  };
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.shape.intermediate = 72; }), "unsupported-shape");
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.shape.hidden = 0; }), "unsupported-shape");
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.shape.top_k = 6; }), "unsupported-shape");
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.shape.experts = 0; }), "unsupported-shape");
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.up.packed.pop_back(); }), "usage");
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.up.file[0] = 1; }), "usage");
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.gate.reset(); }), "usage");
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.down.packed[4] = s.files[0]->size() - 10; }), "out-of-bounds");
  CHECK_EQ(with_shape([](AssembleSpec& s) { s.down.scale[4] = ~0ULL; }), "out-of-bounds");
}

TEST_CASE("progress reaches the end; cancelling stops") {
  const MadeLayer made;
  uint64_t last = 0;
  Task task;
  task.progress = [&](uint64_t done, uint64_t total) {
    CHECK_EQ(done, last + 1);
    CHECK_EQ(total, 10);
    last = done;
  };
  assemble(made.spec(), task);
  CHECK_EQ(last, 10);
  std::atomic<int32_t> cancel{1};
  Task cancelled;
  cancelled.cancel = &cancel;
  CHECK_EQ(error_of([&] { assemble(made.spec(), cancelled); }).code(), "cancelled");
}
