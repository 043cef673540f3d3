// The three scale contracts: every value, the algebra, power-of-two exactness, EPLB in lockstep.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "core/contract/contract.h"
#include "core/error/error.h"
#include "core/formats/e4m3.h"
#include "core/layout/scale_layout.h"
#include "core/tensor/inspect.h"
#include "made_layer.h"

using namespace moe;
using moe::test::MadeLayer;

namespace {

constexpr moe_contract kContracts[] = {MOE_UNIT_ALPHA, MOE_ACTIVATION_ALPHA, MOE_CLEAN};

std::string code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

float value(const PreparedLayer& layer, const char* name, int64_t expert) {
  const Tensor* tensor = layer.find(name);
  REQUIRE_NE(tensor, nullptr);
  CHECK(tensor->shape == std::vector<int64_t>{layer.shape.experts});
  CHECK_EQ(tensor->dtype, DType::kF32);
  return tensor->f32()[expert];
}

uint8_t scale_at(const PreparedLayer& layer, const char* name, int64_t expert, int64_t row, int64_t column) {
  return static_cast<uint8_t>(PlaneReader(*layer.find(name), expert).bits(row, column));
}

/// b12x's view of one GEMM, by the rules written in contract.h.
struct Multipliers {
  double divider, multiplier;
};
Multipliers b12x_fc1(const PreparedLayer& layer, int64_t e) {
  const bool split = layer.find("input_global_scale") != nullptr;
  const float alpha = value(layer, "w13_weight_scale_2", e);
  const float divider = split ? value(layer, "input_global_scale", e) : alpha;
  return {divider, split ? alpha * divider : alpha};
}
Multipliers b12x_fc2(const PreparedLayer& layer, int64_t e) {
  const bool own = layer.find("fc2_input_scale") != nullptr;
  return {own ? value(layer, "fc2_input_scale", e) : value(layer, "a2_gscale", e), value(layer, "w2_weight_scale_2", e)};
}

}  // namespace

TEST_CASE("parameters: names in registration order, first dimension E, scales padded with zeros") {
  const auto checkpoint = MadeLayer().assembled();
  const std::vector<std::string> base = {"w13_weight", "w2_weight", "w13_weight_scale", "w2_weight_scale", "w13_weight_scale_2", "w2_weight_scale_2", "a1_gscale", "a2_gscale"};
  const std::vector<std::string> six = {"w13_cutlass_weight_scale", "w2_cutlass_weight_scale", "w13_cutlass_a_gscale", "w2_cutlass_a_gscale", "w13_cutlass_g_alphas", "w2_cutlass_g_alphas"};
  const std::map<moe_contract, std::vector<std::string>> extra = {{MOE_UNIT_ALPHA, {}}, {MOE_ACTIVATION_ALPHA, {"fc2_input_scale"}}, {MOE_CLEAN, {"input_global_scale", "fc2_input_scale"}}};
  for (const moe_contract contract : kContracts) {
    for (const int32_t threshold : {0, 128}) {
      std::vector<std::string> expected = base;
      expected.insert(expected.end(), extra.at(contract).begin(), extra.at(contract).end());
      if (threshold > 0) expected.insert(expected.end(), six.begin(), six.end());
      const auto layer = prepare(*checkpoint, contract, threshold, {});
      std::vector<std::string> names;
      for (const Tensor& tensor : layer->parameters) {
        names.push_back(tensor.name);
        CHECK_EQ(tensor.shape[0], 5);
      }
      CHECK(names == expected);
      const Tensor& scale = *layer->find("w13_weight_scale");
      CHECK(scale.shape == std::vector<int64_t>{5, 256, 8});
      CHECK(layer->find("w2_weight_scale")->shape == std::vector<int64_t>{5, 128, 8});
      const Swizzled128x4 layout(160, 6);
      for (int64_t row = 0; row < 256; ++row) {
        for (int64_t column = 0; column < 8; ++column) {
          if (row >= 160 || column >= 6) REQUIRE_EQ(scale.plane(4)[layout.offset(row, column)], 0);
        }
      }
      // FP4 bytes are the checkpoint layer's own.
      CHECK_EQ(layer->find("w13_weight")->data, checkpoint->w13_weight.data);
      CHECK_EQ(layer->find("w2_weight")->data, checkpoint->w2_weight.data);
      CHECK_EQ(layer->views[0].data, scale.data);
    }
  }
}

TEST_CASE("every value of the three contracts, in fp32 and in the order written") {
  const auto checkpoint = MadeLayer().assembled();
  const float a1 = *checkpoint->report.a1;
  const float a2 = *checkpoint->report.a2;
  for (const moe_contract contract : kContracts) {
    const auto layer = prepare(*checkpoint, contract, 1, {});
    for (int64_t e = 0; e < 5; ++e) {
      const float s2_1 = checkpoint->w13_weight_scale_2.f32()[e];
      const float s2_2 = checkpoint->w2_weight_scale_2.f32()[e];
      const bool unit = contract == MOE_UNIT_ALPHA;
      const bool clean = contract == MOE_CLEAN;
      CHECK_EQ(value(*layer, "w13_weight_scale_2", e), unit ? 1.0F : clean ? s2_1 : a1);
      CHECK_EQ(value(*layer, "w2_weight_scale_2", e), unit ? 1.0F : clean ? s2_2 * a2 : a2);
      CHECK_EQ(value(*layer, "a1_gscale", e), 1.0F / a1);
      CHECK_EQ(value(*layer, "a2_gscale", e), unit ? 1.0F : 1.0F / a2);
      if (clean) CHECK_EQ(value(*layer, "input_global_scale", e), a1);
      if (!unit) CHECK_EQ(value(*layer, "fc2_input_scale", e), a2);
      CHECK_EQ(value(*layer, "w13_cutlass_a_gscale", e), 1.0F / a1);
      CHECK_EQ(value(*layer, "w2_cutlass_a_gscale", e), 1.0F / a2);
      CHECK_EQ(value(*layer, "w13_cutlass_g_alphas", e), unit ? s2_1 / (1.0F / a1) : s2_1 * a1);
      CHECK_EQ(value(*layer, "w2_cutlass_g_alphas", e), unit ? s2_2 / (1.0F / a2) : s2_2 * a2);
      for (int64_t row = 0; row < 160; ++row) {
        for (int64_t column = 0; column < 6; ++column) {
          const uint8_t stored = checkpoint->w13_weight_scale.plane(e)[row * 6 + column];
          const uint8_t baked = e4m3_encode(e4m3_decode(stored) * s2_1);
          REQUIRE_EQ(scale_at(*layer, "w13_weight_scale", e, row, column), clean ? stored : baked);
          REQUIRE_EQ(scale_at(*layer, "w13_cutlass_weight_scale", e, row, column), stored);
        }
      }
      for (int64_t row = 0; row < 96; ++row) {
        for (int64_t column = 0; column < 5; ++column) {
          const uint8_t stored = checkpoint->w2_weight_scale.plane(e)[row * 5 + column];
          REQUIRE_EQ(scale_at(*layer, "w2_weight_scale", e, row, column), clean ? stored : e4m3_encode(e4m3_decode(stored) * s2_2));
          REQUIRE_EQ(scale_at(*layer, "w2_cutlass_weight_scale", e, row, column), stored);
        }
      }
    }
  }
}

TEST_CASE("the algebra: multiplier * stored SF = divider * s2 * checkpoint SF, exactly with power-of-two scales") {
  MadeLayer made;
  for (moe::test::MadeProjection* p : {&made.gate, &made.up, &made.down}) {
    for (float& s2 : p->s2) s2 = 0x1p-3F;
    for (float& input : p->input) input = 0x1p-7F;
    // Codes of 2^-3 and above: times 2^-3 they stay normal.
    for (auto& plane : p->scale) {
      for (uint8_t& byte : plane) byte = static_cast<uint8_t>(0x20 + byte % 0x5F);
    }
  }
  const auto checkpoint = made.assembled();
  for (const moe_contract contract : kContracts) {
    const auto layer = prepare(*checkpoint, contract, 64, {});
    for (int64_t e = 0; e < 5; ++e) {
      const Multipliers fc1 = b12x_fc1(*layer, e);
      const Multipliers fc2 = b12x_fc2(*layer, e);
      for (int64_t row = 0; row < 160; ++row) {
        const double stored = e4m3_decode(checkpoint->w13_weight_scale.plane(e)[row * 6]);
        REQUIRE_EQ(fc1.multiplier * e4m3_decode(scale_at(*layer, "w13_weight_scale", e, row, 0)), fc1.divider * 0x1p-3 * stored);
      }
      for (int64_t row = 0; row < 96; ++row) {
        const double stored = e4m3_decode(checkpoint->w2_weight_scale.plane(e)[row * 5]);
        REQUIRE_EQ(fc2.multiplier * e4m3_decode(scale_at(*layer, "w2_weight_scale", e, row, 0)), fc2.divider * 0x1p-3 * stored);
      }
      // CUTLASS: g_alphas = s2 / a_gscale.
      CHECK_EQ(static_cast<double>(value(*layer, "w13_cutlass_g_alphas", e)) * value(*layer, "w13_cutlass_a_gscale", e), 0x1p-3);
      CHECK_EQ(static_cast<double>(value(*layer, "w2_cutlass_g_alphas", e)) * value(*layer, "w2_cutlass_a_gscale", e), 0x1p-3);
    }
  }
}

TEST_CASE("the algebra holds within the rounding of e4m3(SF * s2) for realistic scales; clean does not round") {
  const auto checkpoint = MadeLayer().assembled();
  for (const moe_contract contract : kContracts) {
    const auto layer = prepare(*checkpoint, contract, 0, {});
    for (int64_t e = 0; e < 5; ++e) {
      const Multipliers fc1 = b12x_fc1(*layer, e);
      const double s2 = checkpoint->w13_weight_scale_2.f32()[e];
      for (int64_t row = 0; row < 160; ++row) {
        const double wanted = fc1.divider * s2 * e4m3_decode(checkpoint->w13_weight_scale.plane(e)[row * 6]);
        const double got = fc1.multiplier * e4m3_decode(scale_at(*layer, "w13_weight_scale", e, row, 0));
        // Half a step: 2^-4 relative for normal results, 2^-10 absolute (times the multiplier) for subnormal ones; clean
        // has only the fp32 rounding of the folded product.
        const double bound = contract == MOE_CLEAN ? wanted * 0x1p-23 : std::fmax(wanted * 0x1p-4, fc1.multiplier * 0x1.00001p-10);
        REQUIRE_LE(std::fabs(got - wanted), bound);
      }
    }
  }
}

TEST_CASE("weights-only checkpoints: what runs and what is refused") {
  const auto checkpoint = MadeLayer(true, false).assembled();
  const auto unit = prepare(*checkpoint, MOE_UNIT_ALPHA, 64, {});
  const auto fallback = prepare(*checkpoint, MOE_ACTIVATION_ALPHA, 0, {});
  for (int64_t e = 0; e < 5; ++e) {
    for (const char* name : {"w13_weight_scale_2", "w2_weight_scale_2", "a1_gscale", "a2_gscale"}) {
      CHECK_EQ(value(*unit, name, e), 1.0F);
      CHECK_EQ(value(*fallback, name, e), 1.0F);
    }
    CHECK_EQ(value(*unit, "w13_cutlass_g_alphas", e), checkpoint->w13_weight_scale_2.f32()[e]);
    CHECK_EQ(value(*fallback, "fc2_input_scale", e), 1.0F);
  }
  CHECK_EQ(code_of([&] { prepare(*checkpoint, MOE_ACTIVATION_ALPHA, 64, {}); }), "unsupported");
  CHECK_EQ(code_of([&] { prepare(*checkpoint, MOE_CLEAN, 0, {}); }), "unsupported");
  CHECK_EQ(code_of([&] { prepare(*checkpoint, MOE_IDEAL, 0, {}); }), "unsupported");
  CHECK_EQ(code_of([&] { prepare(*checkpoint, MOE_UNIT_ALPHA, -1, {}); }), "usage");
}

TEST_CASE("bytes by set") {
  const auto checkpoint = MadeLayer().assembled();
  const auto pure = prepare(*checkpoint, MOE_UNIT_ALPHA, 0, {});
  const auto hybrid = prepare(*checkpoint, MOE_UNIT_ALPHA, 64, {});
  const uint64_t fp4 = 5 * (160 * 48 + 96 * 40);
  const uint64_t scales = 5 * (256 * 8 + 128 * 8);
  CHECK_EQ(pure->byte_sets().fp4, fp4);
  CHECK_EQ(pure->byte_sets().b12x_scales, scales);
  CHECK_EQ(pure->byte_sets().cutlass_scales, 0);
  CHECK_EQ(pure->byte_sets().multipliers, 4 * 5 * 4);
  CHECK_EQ(hybrid->byte_sets().fp4, fp4);
  CHECK_EQ(hybrid->byte_sets().cutlass_scales, scales);
  CHECK_EQ(hybrid->byte_sets().multipliers, 8 * 5 * 4);
}

TEST_CASE("rearranging moves every registered parameter in lockstep; one left out shows") {
  const auto checkpoint = MadeLayer().assembled();
  const std::vector<int32_t> permutation = {3, 0, 4, 1, 2};
  for (const moe_contract contract : kContracts) {
    const auto layer = prepare(*checkpoint, contract, 64, {});
    const auto moved = rearrange(*layer, permutation, {}, {});
    for (size_t i = 0; i < layer->parameters.size(); ++i) {
      const auto before = plane_hashes(layer->parameters[i], {});
      const auto after = plane_hashes(moved->parameters[i], {});
      REQUIRE_EQ(before.size(), 5);
      for (size_t p = 0; p < 5; ++p) CHECK_EQ(after[p], before[static_cast<size_t>(permutation[p])]);
      CHECK_EQ(plane_hashes(layer->parameters[i], {}), before);  // the old layer is unchanged
    }
    CHECK_EQ(moved->views[0].data, moved->find("w13_weight_scale")->data);
    for (const Tensor& parameter : layer->parameters) {
      const auto broken = rearrange(*layer, permutation, {parameter.name}, {});
      // Out of lockstep: its rows are the old ones while every other parameter moved.
      for (const Tensor& other : broken->parameters) {
        const auto before = plane_hashes(*layer->find(other.name), {});
        const auto after = plane_hashes(other, {});
        for (size_t p = 0; p < 5; ++p) CHECK_EQ(after[p], before[other.name == parameter.name ? p : static_cast<size_t>(permutation[p])]);
      }
    }
  }
}

TEST_CASE("what is not a permutation is refused") {
  const auto layer = prepare(*MadeLayer().assembled(), MOE_UNIT_ALPHA, 0, {});
  for (const std::vector<int32_t>& bad : std::vector<std::vector<int32_t>>{{0, 1, 2, 3}, {0, 1, 2, 3, 3}, {0, 1, 2, 3, 5}, {-1, 1, 2, 3, 4}, {}, {0, 1, 2, 3, 4, 0}}) {
    CHECK_EQ(code_of([&] { rearrange(*layer, bad, {}, {}); }), "bad-permutation");
  }
  CHECK_EQ(code_of([&] { rearrange(*layer, std::vector<int32_t>{0, 1, 2, 3, 4}, {"w13_bias"}, {}); }), "usage");
}

TEST_CASE("a step put back into clean gives that contract's values and leaves the rest clean") {
  const auto checkpoint = MadeLayer().assembled();
  const auto clean = prepare(*checkpoint, MOE_CLEAN, 64, {});
  const auto unit = prepare(*checkpoint, MOE_UNIT_ALPHA, 64, {});
  const auto same = [](const PreparedLayer& a, const PreparedLayer& b, const char* name) {
    const Tensor* x = a.find(name);
    const Tensor* y = b.find(name);
    return x->bytes == y->bytes && std::memcmp(x->data, y->data, x->bytes) == 0;
  };
  const auto baked = prepare(*checkpoint, MOE_CLEAN, 64, {}, {.baked_block_scales = true});
  const auto ones = prepare(*checkpoint, MOE_CLEAN, 64, {}, {.unit_activation_scale = true});
  for (const char* name : {"w13_weight_scale", "w2_weight_scale"}) {
    CHECK(same(*baked, *unit, name));
    CHECK(same(*ones, *clean, name));
  }
  CHECK(same(*baked, *unit, "w13_weight_scale_2"));
  CHECK(same(*baked, *clean, "input_global_scale"));
  CHECK(same(*baked, *clean, "fc2_input_scale"));
  CHECK(same(*ones, *clean, "w13_weight_scale_2"));
  for (int64_t e = 0; e < 5; ++e) {
    CHECK_EQ(value(*baked, "w2_weight_scale_2", e), *checkpoint->report.a2);
    CHECK_EQ(value(*ones, "w2_weight_scale_2", e), checkpoint->w2_weight_scale_2.f32()[e]);
    CHECK_EQ(value(*ones, "input_global_scale", e), 1.0F);
    CHECK_EQ(value(*ones, "fc2_input_scale", e), 1.0F);
  }
  for (const char* name : {"w13_cutlass_weight_scale", "w2_cutlass_weight_scale", "w13_cutlass_a_gscale", "w13_cutlass_g_alphas", "w2_cutlass_g_alphas"}) {
    CHECK(same(*baked, *clean, name));
    CHECK(same(*ones, *clean, name));
  }
  CHECK_EQ(code_of([&] { prepare(*checkpoint, MOE_UNIT_ALPHA, 64, {}, {.baked_block_scales = true}); }), "usage");
}
