#include <cmath>
#include <cstring>

#include <doctest/doctest.h>

#include "core/error/error.h"
#include "explain/attribute.h"
#include "explain/misfit.h"
#include "made_layer.h"
#include "provider_layers.h"

using namespace moe;
using namespace moe::test;

namespace {

struct Kernel {
  moe_path path;
  moe_kernel kernel;
  int32_t tile;
};
constexpr Kernel kKernels[] = {{MOE_PATH_B12X, MOE_KERNEL_DIRECT_MICRO, 0},
                               {MOE_PATH_B12X, MOE_KERNEL_MICRO, 128},
                               {MOE_PATH_B12X, MOE_KERNEL_STATIC, 64},
                               {MOE_PATH_B12X, MOE_KERNEL_DYNAMIC, 128},
                               {MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS, 128}};

template <class T>
bool same(const Tensor& tensor, const std::vector<T>& values) {
  return tensor.bytes == values.size() * sizeof(T) && std::memcmp(tensor.data, values.data(), tensor.bytes) == 0;
}

}  // namespace

TEST_CASE("the documented model has the bits of the cpu provider") {
  for (const bool gated : {true, false}) {
    for (const int32_t intermediate : {128, 208}) {
      const MadeLayer made(gated, true, 5, 96, intermediate);
      const auto layer = made.assembled();
      const explain::Model model(layer);
      const RunInput batch = random_batch(layer->shape, 9, 3);
      for (const moe_contract contract : {MOE_UNIT_ALPHA, MOE_ACTIVATION_ALPHA, MOE_CLEAN}) {
        const auto provided = cpu_provider()->create_layer(source_of(layer, contract));
        for (const Kernel& kernel : kKernels) {
          CAPTURE(gated);
          CAPTURE(intermediate);
          CAPTURE(contract);
          CAPTURE(kernel.kernel);
          RunInput input = on(batch, kernel.path, kernel.kernel, kernel.tile);
          input.taps = MOE_TAP_ALL;
          const RunOutput run = provided->run(input, {});
          const explain::Spec spec = explain::documented(*layer, contract, kernel.path, kernel.kernel, input.tile_m, input.tile_n);
          const explain::StageOutputs modelled = model.run(spec, input, 0);
          CHECK(same(output(run, "x_q"), modelled.x.packed));
          CHECK(same(output(run, "x_sf"), modelled.x.sf));
          CHECK(same(output(run, "fc1"), modelled.fc1));
          CHECK(same(output(run, "act"), modelled.act));
          CHECK(same(output(run, "act_q"), modelled.act_q.packed));
          CHECK(same(output(run, "act_sf"), modelled.act_q.sf));
          CHECK(same(output(run, "fc2"), modelled.fc2));
          CHECK(same(output(run, "y"), modelled.y));
        }
      }
    }
  }
}

TEST_CASE("the exact model is the fp64 reference but for fp32 sums and the rounding of y") {
  const MadeLayer made(true, true, 5, 96, 208);
  const auto layer = made.assembled();
  const explain::Model model(layer);
  const RunInput batch = random_batch(layer->shape, 33, 3);
  for (const moe_contract contract : {MOE_UNIT_ALPHA, MOE_ACTIVATION_ALPHA, MOE_CLEAN, MOE_IDEAL}) {
    for (const moe_path path : {MOE_PATH_B12X, MOE_PATH_CUTLASS}) {
      CAPTURE(contract);
      CAPTURE(path);
      const RunOutput run = reference_provider()->create_layer(source_of(layer, contract))->run(on(batch, path, path == MOE_PATH_B12X ? MOE_KERNEL_STATIC : MOE_KERNEL_CUTLASS, 128), {});
      const Tensor& y = output(run, "y");
      std::vector<double> wanted(static_cast<size_t>(y.rows * y.columns));
      value_reader(y)(0, static_cast<int64_t>(wanted.size()), wanted.data());
      const std::vector<uint16_t> modelled = model.run_output(explain::exact(*layer, contract, path), batch, 0);
      double distance = 0;
      double norm = 0;
      for (size_t i = 0; i < wanted.size(); ++i) {
        distance += std::pow(bf16_decode(modelled[i]) - wanted[i], 2);
        norm += wanted[i] * wanted[i];
      }
      // A rounding to 8 significant bits moves a value by 2^-9 / sqrt(3) to 2^-8 / sqrt(3) of its size: 0.11 % to 0.23 %.
      CHECK_LE(std::sqrt(distance / norm), 0.0023);
    }
  }
  CHECK_THROWS_AS(explain::exact(*layer, MOE_WEIGHTS_ONLY, MOE_PATH_B12X), Error);
  CHECK_THROWS_AS(explain::exact(*layer, MOE_IDEAL_PER_EXPERT, MOE_PATH_B12X), Error);
}

TEST_CASE("shares, interaction and rest are the whole, in chunks of tokens too") {
  const MadeLayer made(true, true, 5, 96, 208);
  const auto layer = made.assembled();
  const explain::Model model(layer);
  const RunInput batch = random_batch(layer->shape, 11, 5);
  explain::AttributionRequest request;
  request.a = explain::documented(*layer, MOE_UNIT_ALPHA, MOE_PATH_B12X, MOE_KERNEL_STATIC, 64, 128);
  request.b = explain::documented(*layer, MOE_UNIT_ALPHA, MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS, 128, 128);
  const explain::Attribution result = explain::attribute(model, batch, request, {});
  double sum = result.interaction + result.rest;
  for (const explain::CauseShare& cause : result.causes) {
    sum += cause.share;
    CHECK_GE(cause.share, cause.interval[0]);
    CHECK_LE(cause.share, cause.interval[1]);
  }
  CHECK_EQ(sum, doctest::Approx(1).epsilon(1e-12));
  CHECK_GT(result.energy, 0);
  CHECK_EQ(result.causes.size(), 6);  // re-rounding, underflow, unit scale, family of quantizer, bf16 after FC1, accumulation
}

TEST_CASE("a deviation that a cause does not have is refused") {
  CHECK_THROWS_AS(explain::deviate({}, {explain::Cause::kPadding, 2, 0}), Error);
  CHECK_THROWS_AS(explain::deviate({}, {explain::Cause::kPadding, 0, 3}), Error);
}

TEST_CASE("every deviation moves a switch, and taking its cause back restores the pipeline") {
  const MadeLayer made(true, true, 5, 96, 208);
  const auto layer = made.assembled();
  const explain::Spec spec = explain::documented(*layer, MOE_CLEAN, MOE_PATH_B12X, MOE_KERNEL_STATIC, 64, 128);
  for (const explain::Deviation& deviation : explain::deviations_of(spec, layer->shape)) {
    CAPTURE(explain::cause_name(deviation.cause));
    CAPTURE(deviation.variant);
    const explain::Spec moved = explain::deviate(spec, deviation);
    CHECK_FALSE(moved == spec);
    CHECK(explain::with_cause_of(moved, spec, deviation.cause) == spec);
  }
}

TEST_CASE("one block that a model gives exactly and another does not is worth 12 nats, an element less") {
  const explain::Quantized observed{1, 64, std::vector<uint8_t>(32, 0x21), std::vector<uint8_t>(4, 0x38)};
  const double error = 1e-4;
  const double agreed = explain::misfit(observed, observed, error).nats;
  for (const bool scale : {false, true}) {
    explain::Quantized other = observed;
    (scale ? other.sf[2] : other.packed[17]) ^= 1U;
    const explain::Misfit one = explain::misfit(observed, other, error);
    CHECK_EQ(one.mismatched, 1);
    CHECK_EQ(one.nats - agreed, doctest::Approx(std::log(explain::kBlockNeighbours / error)).epsilon(1e-4));
    CHECK_GT(one.nats - agreed, 12);
  }
  const std::vector<float> values(64, 1.0F);
  std::vector<float> moved = values;
  moved[5] = 2;
  CHECK_LT(explain::misfit(values, moved, {0.1F}, error).nats - explain::misfit(values, values, {0.1F}, error).nats, 12);
}
