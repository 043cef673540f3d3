// The arithmetic that the cuda provider's b12x kernels take for a shape is the cpu provider's for the same decision.
#include <doctest/doctest.h>

#include <vector>

#include "cpu/recipe.h"
#include "cuda/b12x/arithmetic.h"

using namespace moe;

namespace {

struct Shape {
  bool gated, shared_scale;
  int hidden, intermediate, top_k, kernel, tile_m, tile_n;
};

/// Around every limit of the gated dynamic kernel, and every kernel and tile.
std::vector<Shape> shapes() {
  std::vector<Shape> out;
  for (const bool gated : {false, true}) {
    for (const bool shared : {false, true}) {
      for (const int hidden : {256, 16384, 16400}) {
        for (const int intermediate : {128, 512, 528, 768}) {
          for (const int top_k : {1, 16, 17, 32, 33}) {
            for (const int kernel : {MOE_KERNEL_DIRECT_MICRO, MOE_KERNEL_MICRO, MOE_KERNEL_STATIC, MOE_KERNEL_DYNAMIC}) {
              for (const int tile_m : {16, 32, 64, 128}) out.push_back({gated, shared, hidden, intermediate, top_k, kernel, tile_m, 128});
            }
          }
        }
      }
    }
  }
  return out;
}

cuda::b12x::Arithmetic on_gpu(const Shape& shape) {
  cuda::DeviceLayer layer;
  layer.hidden = shape.hidden;
  layer.intermediate = shape.intermediate;
  layer.experts = 64;
  layer.top_k = shape.top_k;
  layer.gated = shape.gated;
  layer.activation = shape.gated ? MOE_SILU : MOE_RELU2;
  layer.b12x.shared_fc1_quantizer = shape.shared_scale;
  cuda::RunShape run;
  run.tokens = 64;
  run.kernel = shape.kernel;
  run.tile_m = shape.tile_m;
  run.tile_n = shape.tile_n;
  return cuda::b12x::choose_arithmetic(layer, run);
}

cpu::Arithmetic on_cpu(const Shape& shape) {
  moe_layer_desc desc{};
  desc.hidden = shape.hidden;
  desc.intermediate = shape.intermediate;
  desc.experts = 64;
  desc.top_k = shape.top_k;
  desc.gated = shape.gated ? 1 : 0;
  return cpu::choose_arithmetic(desc, {MOE_PATH_B12X, shape.kernel, shape.tile_m, shape.tile_n, shape.shared_scale, cpu::Reciprocal::kFp32, cpu::DirectMicroScale::kDivider});
}

cuda::BlockQuantizer on_gpu(Quantizer quantizer) {
  switch (quantizer) {
    case Quantizer::kDirectMicro: return cuda::BlockQuantizer::kDirectMicro;
    case Quantizer::kB12xExact: return cuda::BlockQuantizer::kB12xExact;
    default: return cuda::BlockQuantizer::kB12xFast;
  }
}

}  // namespace

TEST_CASE("quantizer and reduction are the cpu provider's, at every limit of the gated dynamic kernel") {
  int gated_dynamic = 0;
  for (const Shape& shape : shapes()) {
    CAPTURE(shape.gated);
    CAPTURE(shape.shared_scale);
    CAPTURE(shape.hidden);
    CAPTURE(shape.intermediate);
    CAPTURE(shape.top_k);
    CAPTURE(shape.kernel);
    CAPTURE(shape.tile_m);
    const cuda::b12x::Arithmetic found = on_gpu(shape);
    const cpu::Arithmetic expected = on_cpu(shape);
    CHECK_EQ(found.quantizer, on_gpu(expected.quantizer));
    CHECK_EQ(found.direct_micro, expected.reduction == cpu::Reduction::kDirectMicro);
    CHECK_EQ(!found.by_slice && !found.direct_micro, expected.reduction == cpu::Reduction::kGatedDynamic);
    CHECK_FALSE(expected.rounds_fc1);
    gated_dynamic += expected.reduction == cpu::Reduction::kGatedDynamic ? 1 : 0;
  }
  // 2 of 3 H, 2 of 4 I, 1 of 4 tiles, gated; top-k 1 and 16, and 17 and 32 too with a shared scale
  CHECK_EQ(gated_dynamic, 2 * 2 * (2 + 4));
}
