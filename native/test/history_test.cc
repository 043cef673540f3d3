// The history of an element: its last sum is the provider's y bit for bit on every kernel, and its steps add up.
#include <doctest/doctest.h>

#include <chrono>

#include "core/error/error.h"
#include "cpu/history.h"
#include "cpu/resum.h"
#include "core/metrics/groups.h"
#include "made_layer.h"
#include "provider_layers.h"
#include "reference/history.h"

using namespace moe;
using namespace moe::test;

namespace {

struct Route {
  const char* name;
  moe_path path;
  moe_kernel kernel;
};
constexpr Route kRoutes[] = {{"cutlass", MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS},
                             {"micro", MOE_PATH_B12X, MOE_KERNEL_MICRO},
                             {"static", MOE_PATH_B12X, MOE_KERNEL_STATIC},
                             {"dynamic", MOE_PATH_B12X, MOE_KERNEL_DYNAMIC},
                             {"direct micro", MOE_PATH_B12X, MOE_KERNEL_DIRECT_MICRO}};

ElementHistory cpu_history(ProviderLayer& layer, const RunInput& input, const HistoryRequest& request) {
  ElementHistory out;
  layer.inspect(input, {}, [&](moe_layer* native, const moe_batch& batch) { out = cpu::element_history(*reinterpret_cast<cpu::Layer*>(native), batch, request); });
  return out;
}

}  // namespace

TEST_CASE("the history leads to y bit for bit, on every kernel, contract and activation") {
  for (const bool gated : {true, false}) {
    const auto layer = MadeLayer(gated, true, 5, 96, 272).assembled();  // two slices and a short one
    for (const moe_contract contract : {MOE_UNIT_ALPHA, MOE_CLEAN}) {
      const auto on_cpu = cpu_provider()->create_layer(source_of(layer, contract));
      const RunInput batch = random_batch(layer->shape, 7, 3);
      for (const Route& route : kRoutes) {
        for (const int32_t tile : {0, 128}) {  // 128x128 lets the gated dynamic kernel in
          CAPTURE(route.name);
          RunInput input = on(batch, route.path, route.kernel);
          input.tile_m = input.tile_n = tile;
          const RunOutput run = on_cpu->run(input, {});
          const auto* y = reinterpret_cast<const uint16_t*>(run.tensors.front().data);
          for (const HistoryRequest& request : {HistoryRequest{0, 0, 0, 0}, HistoryRequest{6, 95, 1, 271}, HistoryRequest{3, 50, 0, 130}}) {
            const ElementHistory found = cpu_history(*on_cpu, input, request);
            CHECK_EQ(bf16_encode(static_cast<float>(found.y)), y[request.token * 96 + request.column]);
            CHECK_EQ(bf16_round(static_cast<float>(found.additions.back().sum)), found.y);
            REQUIRE(found.fc1.has_value());
            CHECK_EQ(found.fc1->gate.has_value(), gated);
            CHECK_EQ(found.fc1->act, found.slots[static_cast<size_t>(request.slot)].act[static_cast<size_t>(request.element)]);
            int64_t blocks = 0;
            for (const SliceHistory& slice : found.slots[0].slices) blocks += slice.blocks;
            CHECK_EQ(blocks, 272 / 16);
          }
        }
      }
    }
  }
}

TEST_CASE("the reference's history is its answer") {
  const auto layer = MadeLayer(true, true, 5, 96, 80).assembled();
  const auto on_reference = reference_provider()->create_layer(source_of(layer, MOE_UNIT_ALPHA));
  for (const moe_path path : {MOE_PATH_B12X, MOE_PATH_CUTLASS}) {
    const RunInput input = on(random_batch(layer->shape, 3, 4), path, MOE_KERNEL_REFERENCE);
    const RunOutput run = on_reference->run(input, {});
    ElementHistory found;
    on_reference->inspect(input, {}, [&](moe_layer* native, const moe_batch& batch) { found = reference::element_history(*reinterpret_cast<reference::Layer*>(native), batch, {2, 17, 1, 33}); });
    CHECK_EQ(found.y, run.tensors.front().f64()[2 * 96 + 17]);
    CHECK_EQ(found.slots.size(), 2);
    CHECK_EQ(found.additions.back().sum, found.y);
  }
}

TEST_CASE("a place outside the batch is refused by name") {
  const auto layer = MadeLayer(true).assembled();
  const auto on_cpu = cpu_provider()->create_layer(source_of(layer, MOE_UNIT_ALPHA));
  const RunInput input = on(random_batch(layer->shape, 2, 5), MOE_PATH_B12X, MOE_KERNEL_STATIC);
  CHECK_THROWS_WITH_AS(cpu_history(*on_cpu, input, {2, 0, -1, -1}), doctest::Contains("token"), Error);
  CHECK_THROWS_WITH_AS(cpu_history(*on_cpu, input, {0, layer->shape.hidden, -1, -1}), doctest::Contains("column"), Error);
  CHECK_THROWS_WITH_AS(cpu_history(*on_cpu, input, {0, 0, 0, layer->shape.intermediate}), doctest::Contains("element"), Error);
}

TEST_CASE("other orders move fp32 sums by rounding alone") {
  const auto layer = MadeLayer(true, true, 5, 256, 272).assembled();
  const auto on_cpu = cpu_provider()->create_layer(source_of(layer, MOE_UNIT_ALPHA));
  for (const Route& route : kRoutes) {
    CAPTURE(route.name);
    const RunInput input = on(random_batch(layer->shape, 6, 6), route.path, route.kernel);
    ResumNoise noise;
    on_cpu->inspect(input, {}, [&](moe_layer* native, const moe_batch& batch) { noise = cpu::resum_noise(*reinterpret_cast<cpu::Layer*>(native), batch, {2, 16, 4, 1}, {}); });
    CHECK_EQ(noise.elements, 32);
    CHECK_EQ(noise.output.orders.size(), 4);
    // fp32 keeps 2^-24 a step over at most 17 blocks; bf16-rounded taps may flip by half a step of 2^-8 here and there.
    for (const double nrmse : noise.fc1.orders) CHECK_LT(nrmse, 0x1p-8);
    for (const double nrmse : noise.output.orders) CHECK_LT(nrmse, 0x1p-5);
    if (route.kernel == MOE_KERNEL_STATIC) CHECK_GT(*std::max_element(noise.output.orders.begin(), noise.output.orders.end()), 0);
  }
}

TEST_CASE("groups carry the whole squared error, codes are counted one by one") {
  NewTensor a = new_tensor("a", DType::kF32, Layout::kLinear, {4, 2});
  NewTensor b = new_tensor("b", DType::kF32, Layout::kLinear, {4, 2});
  const float left[] = {2, 4, 1, 1, 3, 3, 0, 0};
  const float right[] = {1, 2, 1, 1, 1, 1, 0, 0};
  std::copy_n(left, 8, a.f32());
  std::copy_n(right, 8, b.f32());
  const auto groups = compare_groups(a.tensor, b.tensor, {0, 1, 0, 2}, 3);
  CHECK_EQ(groups[0].rows, 2);
  CHECK_EQ(groups[0].best_scale, doctest::Approx(16.0 / 7));
  CHECK_EQ(groups[0].difference_sq, 13);
  CHECK_EQ(groups[1].nrmse, 0);
  CHECK_EQ(groups[2].best_scale, 1);
  CHECK_THROWS_AS(compare_groups(a.tensor, b.tensor, {0, 1, 0, 3}, 3), Error);
  CHECK_THROWS_AS(compare_groups(a.tensor, b.tensor, {0}, 3), Error);

  NewTensor x = new_tensor("x", DType::kU8, Layout::kFp4, {1, 2});
  NewTensor z = new_tensor("z", DType::kU8, Layout::kFp4, {1, 2});
  x.data[0] = 0x12;
  z.data[0] = 0x13;
  x.data[1] = 0x45;
  z.data[1] = 0x54;
  const CodeDifferences codes = compare_codes(x.tensor, z.tensor);
  CHECK_EQ(codes.elements, 4);
  CHECK_EQ(codes.differing, 3);
}
