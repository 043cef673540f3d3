// Each stage of the cpu pipelines by itself: what a stage's tap must be, given the tap before it.
#include <doctest/doctest.h>

#include <cmath>

#include "core/activation/activation.h"
#include "core/layout/scale_layout.h"
#include "core/quantize/quantize.h"
#include "made_layer.h"
#include "provider_layers.h"
#include "reference/exact_dot.h"

using namespace moe;
using namespace moe::test;

namespace {

struct Pipeline {
  const char* name;
  moe_path path;
  moe_kernel kernel;
  bool rounds_fc1;     // bf16 before the activation
  double fc2_rounding;  // relative size of what rounds FC2's tap
};
constexpr double kBf16 = 1.0 / 512;  // half an ulp
constexpr double kFp32 = 1e-6;       // some hundred fp32 additions
constexpr Pipeline kPipelines[] = {{"cutlass", MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS, true, kBf16},
                                   {"static", MOE_PATH_B12X, MOE_KERNEL_STATIC, false, 2 * kBf16},  // a rounding a slice
                                   {"gated dynamic", MOE_PATH_B12X, MOE_KERNEL_DYNAMIC, false, kBf16},
                                   {"direct micro", MOE_PATH_B12X, MOE_KERNEL_DIRECT_MICRO, false, kFp32}};

/// One batch with all taps, and the tensors that made it.
struct Bench {
  std::shared_ptr<const CheckpointLayer> layer;
  LayerSource source;
  RunInput input;
  RunOutput run;
  Pipeline pipeline;

  Bench(const Pipeline& chosen, bool gated, moe_contract contract)
      : layer(MadeLayer(gated, true, 5, 96, 144).assembled()), source(source_of(layer, contract)), pipeline(chosen) {
    input = on(random_batch(layer->shape, 12, 21), chosen.path, chosen.kernel);
    input.taps = MOE_TAP_ALL;
    run = cpu_provider()->create_layer(source)->run(input, {});
  }

  float scalar(const std::string& name, int32_t expert) const { return source.prepared->find(name)->f32()[expert]; }
  bool cutlass() const { return pipeline.path == MOE_PATH_CUTLASS; }
  bool clean() const { return source.contract == MOE_CLEAN; }

  Quantizer quantizer() const {
    if (cutlass()) return Quantizer::kCutlassWide;
    if (pipeline.kernel == MOE_KERNEL_DIRECT_MICRO) return Quantizer::kDirectMicro;
    return layer->shape.gated ? Quantizer::kB12xWide : Quantizer::kB12xExact;
  }
  float fc1_scale(int32_t e) const { return cutlass() ? scalar("w13_cutlass_a_gscale", e) : clean() ? scalar("input_global_scale", e) : scalar("w13_weight_scale_2", e); }
  float fc2_scale(int32_t e) const {
    if (cutlass()) return scalar("w2_cutlass_a_gscale", e);
    return scalar(source.contract == MOE_UNIT_ALPHA ? "a2_gscale" : "fc2_input_scale", e);  // unit-alpha has no parameter of that name
  }
  double fc1_multiplier(int32_t e) const {
    if (cutlass()) return scalar("w13_cutlass_g_alphas", e);
    return clean() ? scalar("w13_weight_scale_2", e) * scalar("input_global_scale", e) : scalar("w13_weight_scale_2", e);
  }
  double fc2_multiplier(int32_t e) const { return scalar(cutlass() ? "w2_cutlass_g_alphas" : "w2_weight_scale_2", e); }

  /// Weight rows of one expert under the path's scales.
  reference::ExactRows weights(const std::string& prefix, int32_t expert) const {
    const Tensor& codes = *source.prepared->find(prefix + "_weight");
    const Tensor& scales = *source.prepared->find(prefix + (cutlass() ? "_cutlass_weight_scale" : "_weight_scale"));
    std::vector<uint8_t> linear(static_cast<size_t>(codes.rows * codes.columns / 16));
    unswizzle_128x4(scales.plane(expert), 1, codes.rows, codes.columns / 16, linear.data());
    reference::ExactRows rows(codes.rows, codes.columns);
    for (int64_t r = 0; r < codes.rows; ++r) rows.load(r, codes.plane(expert) + r * (codes.columns / 2), linear.data() + r * (codes.columns / 16));
    return rows;
  }

  const uint8_t* row(const char* tap, int64_t index) const {
    const Tensor& tensor = output(run, tap);
    return tensor.data + index * static_cast<int64_t>(tensor.bytes) / tensor.shape[0];
  }
  const float* floats(const char* tap, int64_t index) const { return reinterpret_cast<const float*>(row(tap, index)); }
};

/// ||found - expected|| / ||expected|| over one GEMM output, and the exact sums behind it.
double gemm_error(const Bench& bench, const char* tap, const std::string& prefix, const char* codes, const char* scales, bool by_token, double (Bench::*multiplier)(int32_t) const) {
  double error = 0;
  double norm = 0;
  for (size_t pair = 0; pair < bench.input.topk_ids.size(); ++pair) {
    const int32_t expert = bench.input.topk_ids[pair];
    const auto index = static_cast<int64_t>(by_token ? pair / 2 : pair);
    const reference::ExactRows weights = bench.weights(prefix, expert);
    reference::ExactRows activation(1, weights.k());
    activation.load(0, bench.row(codes, index), bench.row(scales, index));
    const int64_t outputs = output(bench.run, tap).shape[1];
    for (int64_t n = 0; n < outputs; ++n) {
      const double expected = reference::exact_dot_value(activation, 0, weights, n) * (bench.*multiplier)(expert);
      const double difference = bench.floats(tap, static_cast<int64_t>(pair))[n] - expected;
      error += difference * difference;
      norm += expected * expected;
    }
  }
  return std::sqrt(error / norm);
}

void check_activation(const Bench& bench) {
  const int64_t columns = bench.layer->shape.intermediate;
  int64_t equal = 0;
  int64_t total = 0;
  for (int64_t pair = 0; pair < output(bench.run, "act").shape[0]; ++pair) {
    const float* up = bench.floats("fc1", pair);
    for (int64_t i = 0; i < columns; ++i) {
      const double expected = bench.layer->shape.gated ? gated_activation<double>({}, up[columns + i], up[i]) : relu2<double>(up[i]);
      const int64_t distance = bf16_ulp_distance(expected, bench.floats("act", pair)[i]);
      CHECK_LE(distance, 1);
      equal += distance == 0 ? 1 : 0;
      ++total;
    }
  }
  CHECK_GE(static_cast<double>(equal), 0.995 * static_cast<double>(total));  // fp32 against fp64 just at a bf16 tie
}

void check_quantized(const Bench& bench) {
  const LayerShape& shape = bench.layer->shape;
  const auto compare_row = [&](const float* values, int64_t k, float scale, const uint8_t* codes, const uint8_t* scales) {
    std::vector<uint8_t> packed(static_cast<size_t>(k / 2));
    std::vector<uint8_t> sf(static_cast<size_t>(k / 16));
    quantize_row(bench.quantizer(), values, k, scale, packed.data(), sf.data());
    CHECK(std::equal(packed.begin(), packed.end(), codes));
    CHECK(std::equal(sf.begin(), sf.end(), scales));
  };
  for (size_t pair = 0; pair < bench.input.topk_ids.size(); ++pair) {
    const int32_t expert = bench.input.topk_ids[pair];
    const auto index = static_cast<int64_t>(pair);
    std::vector<float> x;
    for (int64_t i = 0; i < shape.hidden; ++i) x.push_back(bf16_decode(bench.input.x[static_cast<size_t>(index / 2 * shape.hidden + i)]));
    compare_row(x.data(), shape.hidden, bench.fc1_scale(expert), bench.row("x_q", index / 2), bench.row("x_sf", index / 2));
    compare_row(bench.floats("act", index), shape.intermediate, bench.fc2_scale(expert), bench.row("act_q", index), bench.row("act_sf", index));
  }
}

}  // namespace

TEST_CASE("every stage of every pipeline follows from the one before it") {
  for (const bool gated : {true, false}) {
    for (const moe_contract contract : {MOE_UNIT_ALPHA, MOE_ACTIVATION_ALPHA, MOE_CLEAN}) {
      for (const Pipeline& pipeline : kPipelines) {
        const Bench bench(pipeline, gated, contract);
        // Direct micro under a scale other than 1 leaves nothing to look at (hazard H3).
        if (pipeline.kernel == MOE_KERNEL_DIRECT_MICRO && contract != MOE_UNIT_ALPHA) continue;
        CAPTURE(std::string(pipeline.name));
        CAPTURE(contract);
        CAPTURE(gated);
        check_quantized(bench);
        CHECK_LE(gemm_error(bench, "fc1", "w13", "x_q", "x_sf", true, &Bench::fc1_multiplier), pipeline.rounds_fc1 ? kBf16 : kFp32);
        check_activation(bench);
        CHECK_LE(gemm_error(bench, "fc2", "w2", "act_q", "act_sf", false, &Bench::fc2_multiplier), gated || pipeline.kernel != MOE_KERNEL_DYNAMIC ? pipeline.fc2_rounding : 2 * kBf16);
      }
    }
  }
}
