// Quantizer bytes against the goldens of real checkpoints: x_q and x_sf outside the near-tie masks, tie.* exactly.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/formats/bf16.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/quantize/quantize.h"
#include "golden_file.h"

using namespace moe;
using moe::test::GoldenFile;

namespace {

struct Case {
  const char* name;
  Quantizer quantizer;
  bool large;  // takes 1 / input_scale
};
constexpr Case kCases[] = {{"cutlass fast", Quantizer::kCutlassFast, true},
                           {"cutlass exact", Quantizer::kCutlassExact, true},
                           {"b12x exact", Quantizer::kB12xExact, false},
                           {"b12x fast", Quantizer::kB12xFast, false},
                           {"direct micro", Quantizer::kDirectMicro, true}};

/// Compares one quantized block; codes of an SF 0 block may differ (each kernel stores another payload, all decode to 0).
void compare_block(const Fp4Block& out, const uint8_t* packed, uint8_t sf, const uint8_t* near, bool near_sf, int64_t& compared) {
  if (near_sf) return;
  CHECK_EQ(out.sf, sf);
  if (sf == 0) return;
  for (int i = 0; i < 16; ++i) {
    if (near != nullptr && near[i] != 0) continue;
    // The golden drops the sign of -0; the kernels keep it. Both decode to the same value.
    const uint8_t golden = fp4_at(packed, i);
    if ((golden & 7U) == 0 && (out.codes[static_cast<size_t>(i)] & 7U) == 0) continue;
    CHECK_EQ(out.codes[static_cast<size_t>(i)], golden);
    ++compared;
  }
}

/// `stored_large`: compressed-tensors stores 1 / a1 (560), and the golden divides by it in fp64; a1 in fp32 is not quite 1 / 560.
void check_set(const GoldenFile& golden, const std::string& set, bool stored_large) {
  const auto x = golden.tensor<uint16_t>(set + ".x");
  const auto codes = golden.tensor<uint8_t>(set + ".x_q");
  const auto scales = golden.tensor<uint8_t>(set + ".x_sf");
  const auto near = golden.tensor<uint8_t>(set + ".x_q_near_tie");
  const auto near_sf = golden.tensor<uint8_t>(set + ".x_sf_near_tie");
  const float a1 = golden.tensor<float>("a1_input_scale_shared").at(0);
  const double ideal_scale = stored_large ? 1.0 / static_cast<double>(1.0F / a1) : static_cast<double>(a1);
  std::vector<int64_t> compared(std::size(kCases), 0);
  for (size_t block = 0; block < scales.size(); ++block) {
    float narrow[16];
    double wide[16];
    for (size_t i = 0; i < 16; ++i) wide[i] = narrow[i] = bf16_decode(x[block * 16 + i]);
    const Fp4Block ideal = quantize_block_ideal(wide, ideal_scale);
    CHECK_EQ(ideal.sf, scales[block]);  // the golden's own formula: exact, near ties too
    for (int64_t i = 0; i < 16; ++i) CHECK_EQ(ideal.codes[static_cast<size_t>(i)], fp4_at(codes.data() + block * 8, i));
    for (size_t c = 0; c < std::size(kCases); ++c) {
      CAPTURE(kCases[c].name);
      CAPTURE(block);
      const float scale = kCases[c].large ? 1.0F / a1 : a1;
      compare_block(quantize_block(kCases[c].quantizer, narrow, scale), codes.data() + block * 8, scales[block], near.data() + block * 16, near_sf[block] != 0, compared[c]);
    }
  }
  // Most elements must really have been compared (zeros and the edge set's empty blocks are not).
  for (const int64_t count : compared) CHECK_GT(count, static_cast<int64_t>(x.size()) / 2);
}

}  // namespace

TEST_CASE("x_q and x_sf of every golden set") {
  const auto shared = moe::test::shared_checkpoints();
  if (!shared) {
    MESSAGE("shared checkpoints not found: nothing compared");
    return;
  }
  for (const std::string name : {"modelopt-qwen3moe-tiny", "ct-qwen3moe-tiny", "modelopt-nemotronh-tiny"}) {
    const GoldenFile golden(*shared / name / "golden" / "layer0.safetensors");
    for (const std::string set : {"T1", "T7", "T64", "edge"}) {
      CAPTURE(name);
      CAPTURE(set);
      check_set(golden, set, name == "ct-qwen3moe-tiny");
    }
  }
}

TEST_CASE("tie.*: exact ties with scale 1, byte for byte") {
  const auto shared = moe::test::shared_checkpoints();
  if (!shared) {
    MESSAGE("shared checkpoints not found: nothing compared");
    return;
  }
  const GoldenFile golden(*shared / "modelopt-qwen3moe-tiny" / "golden" / "layer0.safetensors");
  const auto x = golden.tensor<uint16_t>("tie.x");
  const auto codes = golden.tensor<uint8_t>("tie.x_q");
  const auto scales = golden.tensor<uint8_t>("tie.x_sf");
  const auto decoded = golden.tensor<float>("tie.x_deq");
  for (size_t block = 0; block < scales.size(); ++block) {
    float narrow[16];
    double wide[16];
    for (size_t i = 0; i < 16; ++i) wide[i] = narrow[i] = bf16_decode(x[block * 16 + i]);
    const Fp4Block ideal = quantize_block_ideal(wide, 1.0);
    CHECK_EQ(ideal.sf, scales[block]);
    for (int64_t i = 0; i < 16; ++i) CHECK_EQ(ideal.codes[static_cast<size_t>(i)], fp4_at(codes.data() + block * 8, i));
    for (const Case& c : kCases) {
      CAPTURE(c.name);
      CAPTURE(block);
      const Fp4Block out = quantize_block(c.quantizer, narrow, 1.0F);
      CHECK_EQ(out.sf, scales[block]);
      for (size_t i = 0; i < 16; ++i) {
        CHECK_EQ(e2m1_decode(out.codes[i]) * e4m3_decode(out.sf), decoded[block * 16 + i]);
        if (scales[block] != 0) CHECK_EQ(out.codes[i], fp4_at(codes.data() + block * 8, static_cast<int64_t>(i)));
      }
    }
  }
}
