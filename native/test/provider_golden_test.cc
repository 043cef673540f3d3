// The providers against the goldens of real checkpoints (shared/checkpoints/*/golden/README.md).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/error/error.h"
#include "provider_layers.h"

using namespace moe;
using namespace moe::test;

namespace {

constexpr const char* kQuantized[] = {"modelopt-qwen3moe-tiny", "ct-qwen3moe-tiny", "modelopt-nemotronh-tiny"};
constexpr const char* kSets[] = {"T1", "T7", "T64", "edge"};

struct Answer {
  moe_contract contract;
  const char* key;
};

void check_answers(const std::filesystem::path& folder, const std::vector<Answer>& answers) {
  const auto layer = shared_layer(folder);
  const GoldenFile golden(folder / "golden" / "layer0.safetensors");
  for (const Answer& answer : answers) {
    const auto on_reference = reference_provider()->create_layer(source_of(layer, answer.contract));
    for (const char* set : kSets) {
      CAPTURE(folder.filename().string());
      CAPTURE(set);
      CAPTURE(answer.key);
      const RunOutput run = on_reference->run(golden_batch(golden, set), {});
      // Both sides are fp64 and quantize alike; the issue asks for 1e-6, rounding alone leaves about 1e-15.
      CHECK_LE(nrmse(run.tensors.front(), golden_output(golden, std::string(set) + "." + answer.key)), 1e-13);
    }
  }
}

}  // namespace

TEST_CASE("reference: ideal, ideal-per-expert and weights-only match every golden") {
  const auto shared = shared_checkpoints();
  if (!shared) {
    MESSAGE("shared checkpoints not found: nothing compared");
    return;
  }
  for (const char* name : kQuantized) {
    check_answers(*shared / name, {{MOE_IDEAL, "out_w4a4_shared"}, {MOE_IDEAL_PER_EXPERT, "out_w4a4"}, {MOE_WEIGHTS_ONLY, "out_w4a16"}});
  }
  check_answers(*shared / "modelopt-qwen3moe-w4a16-tiny", {{MOE_WEIGHTS_ONLY, "out_w4a16"}});
}

TEST_CASE("reference: a weight-only checkpoint has no quantized answer, and says so") {
  const auto shared = shared_checkpoints();
  if (!shared) return;
  const auto layer = shared_layer(*shared / "modelopt-qwen3moe-w4a16-tiny");
  for (const moe_contract contract : {MOE_IDEAL, MOE_IDEAL_PER_EXPERT}) {
    try {
      reference_provider()->create_layer(source_of(layer, contract));
      FAIL("nothing thrown");
    } catch (const Error& error) {
      CHECK_EQ(error.code(), code::kUnsupported);
    }
  }
}

TEST_CASE("reference: the CUTLASS tensors of every contract give the ideal answer back") {
  const auto shared = shared_checkpoints();
  if (!shared) return;
  for (const char* name : kQuantized) {
    const auto layer = shared_layer(*shared / name);
    const GoldenFile golden(*shared / name / "golden" / "layer0.safetensors");
    const Tensor ideal = golden_output(golden, "T64.out_w4a4_shared");
    for (const moe_contract contract : {MOE_UNIT_ALPHA, MOE_ACTIVATION_ALPHA, MOE_CLEAN}) {
      const auto on_reference = reference_provider()->create_layer(source_of(layer, contract));
      const RunOutput run = on_reference->run(on(golden_batch(golden, "T64"), MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS), {});
      CAPTURE(name);
      CAPTURE(contract);
      // Measured 1.4e-8 .. 5.8e-8: scales and multipliers are stored in fp32.
      CHECK_LE(nrmse(run.tensors.front(), ideal), 1e-6);
    }
  }
}

TEST_CASE("cpu: the CUTLASS path against out_w4a4_shared_bf16mid on T64") {
  const auto shared = shared_checkpoints();
  if (!shared) return;
  for (const char* name : kQuantized) {
    const auto layer = shared_layer(*shared / name);
    const GoldenFile golden(*shared / name / "golden" / "layer0.safetensors");
    const auto on_cpu = cpu_provider()->create_layer(source_of(layer, MOE_UNIT_ALPHA));
    const RunOutput run = on_cpu->run(on(golden_batch(golden, "T64"), MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS), {});
    const Comparison result = compare(run.tensors.front(), golden_output(golden, "T64.out_w4a4_shared_bf16mid"), {});
    CAPTURE(name);
    // Measured 0.0024 on each: the bf16 rounding of FC2's rows and of y (2^-9 relative at most each).
    CHECK_LE(result.nrmse, 0.004);
    CHECK_GE(result.cosine, 0.9999);
  }
}

TEST_CASE("cpu: FC1's quantized input equals the golden's bytes, near ties too") {
  const auto shared = shared_checkpoints();
  if (!shared) return;
  for (const char* name : {"modelopt-qwen3moe-tiny", "modelopt-nemotronh-tiny"}) {
    const auto layer = shared_layer(*shared / name);
    const GoldenFile golden(*shared / name / "golden" / "layer0.safetensors");
    const auto on_cpu = cpu_provider()->create_layer(source_of(layer, MOE_UNIT_ALPHA));
    RunInput input = on(golden_batch(golden, "T64"), MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS);
    input.taps = MOE_TAP_X_Q | MOE_TAP_X_SF;
    const RunOutput run = on_cpu->run(input, {});
    const auto scales = golden.tensor<uint8_t>("T64.x_sf");
    const auto codes = golden.tensor<uint8_t>("T64.x_q");
    REQUIRE_EQ(output(run, "x_sf").bytes, scales.size());
    REQUIRE_EQ(output(run, "x_q").bytes, codes.size());
    CHECK(std::equal(scales.begin(), scales.end(), output(run, "x_sf").data));
    int64_t differing = 0;
    for (size_t i = 0; i < codes.size(); ++i) {
      for (const unsigned shift : {0U, 4U}) {
        const unsigned ours = output(run, "x_q").data[i] >> shift & 15U;
        const unsigned theirs = codes[i] >> shift & 15U;
        // The golden drops the sign of an exact -0.
        if (ours != theirs && !((ours & 7U) == 0 && (theirs & 7U) == 0)) ++differing;
      }
    }
    CAPTURE(name);
    CHECK_EQ(differing, 0);
  }
}

TEST_CASE("cpu: what fp32 reciprocals change are codes at near ties, and they explain the distance that appears") {
  const auto shared = shared_checkpoints();
  if (!shared) return;
  for (const char* name : kQuantized) {
    const auto layer = shared_layer(*shared / name);
    const GoldenFile golden(*shared / name / "golden" / "layer0.safetensors");
    RunInput input = on(golden_batch(golden, "T64"), MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS);
    input.taps = MOE_TAP_ALL;
    const RunOutput exact = cpu_provider()->create_layer(source_of(layer, MOE_UNIT_ALPHA))->run(input, {});
    ::setenv("MOESCOPE_RECIPROCAL", "fp32", 1);
    const RunOutput narrow = cpu_provider()->create_layer(source_of(layer, MOE_UNIT_ALPHA))->run(input, {});
    ::unsetenv("MOESCOPE_RECIPROCAL");
    const auto near = golden.tensor<uint8_t>("T64.x_q_near_tie");
    int64_t flips = 0;
    for (size_t i = 0; i < near.size(); ++i) {
      const auto code = [&](const RunOutput& run) { return output(run, "x_q").data[i / 2] >> (i % 2 * 4) & 15U; };
      if (code(exact) == code(narrow)) continue;
      ++flips;
      CHECK_EQ(near[i], 1);
    }
    CAPTURE(name);
    CHECK_GE(flips, 5);  // measured 15, 10 and 20 of 16384 codes
    const double distance = nrmse(narrow.tensors.front(), golden_output(golden, "T64.out_w4a4_shared_bf16mid"));
    CHECK_GE(distance, 0.015);  // measured 0.049, 0.022 and 0.035, against 0.0024 without the flips
    CHECK_LE(distance, 0.06);
  }
}
