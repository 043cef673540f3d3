// The host side of the cuda provider on a fake driver: loading, capabilities, memory, graphs and taps need no GPU.
#include <doctest/doctest.h>

#include "fake_cuda_batches.h"

using namespace moe;
using namespace moe::test;

namespace {

/// Why the provider is not available, and what creating a layer says then.
std::string reason_of(FakeMachine& machine) {
  const auto provider = machine.provider();
  const moe_device device = provider->probe();
  CHECK_EQ(device.available, 0);
  const auto [code, message] = thrown([&] { provider->create_layer(source_of(made(), MOE_CLEAN)); });
  CHECK_EQ(code, code::kNoDevice);
  CHECK(contains(message, device.reason));
  CHECK_EQ(machine.driver.allocated, 0);
  return device.reason;
}

}  // namespace

TEST_CASE("a machine that cannot run it says why and what to do") {
  FakeMachine machine;
  SUBCASE("no driver") {
    machine.driver.driver = 0;
    CHECK(contains(reason_of(machine), "no NVIDIA driver was found (libcuda.so.1 cannot be loaded); install"));
  }
  SUBCASE("old driver") {
    machine.driver.driver = 12040;
    CHECK(contains(reason_of(machine), "it has CUDA 12.4, needed is CUDA 13.0; install the NVIDIA driver, 580 or newer"));
  }
  SUBCASE("no card") {
    machine.driver.devices = 0;
    CHECK(contains(reason_of(machine), "sees no GPU"));
  }
  SUBCASE("another card") {
    machine.driver.facts.name = "NVIDIA A100";
    machine.driver.facts.major = 8;
    CHECK(contains(reason_of(machine), "NVIDIA A100 is sm_80; the kernels are for"));
  }
}

TEST_CASE("the device and the families that would run are named") {
  FakeMachine machine;
  moe_device device = machine.provider()->probe();
  CHECK_EQ(device.available, 1);
  CHECK_EQ(std::string(device.name), "Fake H100 (132 SMs; b12x-upcast; cutlass-sm90)");
  CHECK_EQ(std::string(device.arch), "sm_90");
  CHECK_EQ(std::string(device.driver), "580.82.07 (CUDA 13.0)");
  machine.driver.facts.major = 12;
  CHECK(contains(machine.provider()->probe().name, "b12x-native; cutlass-sm120"));
  const Variable body("MOESCOPE_CUDA_BODY", "emulated");
  CHECK(contains(machine.provider()->probe().name, "b12x-emulated; cutlass-sm120"));
}

TEST_CASE("capabilities are those of the linked families") {
  FakeMachine machine;
  const moe_capabilities all = machine.provider()->capabilities();
  CHECK_EQ(all.paths, 1 << MOE_PATH_B12X | 1 << MOE_PATH_CUTLASS);
  CHECK_EQ(all.cutlass_prefill_threshold, 1);
  CHECK_EQ(all.deterministic_only, 0);
  CHECK_EQ(all.taps, MOE_TAP_ALL);
  CHECK_EQ(std::string(all.timing_source), "cuda events");
  machine.backend.families.cutlass_sm90 = machine.backend.families.cutlass_sm120 = nullptr;
  CHECK_EQ(machine.provider()->capabilities().paths, 1 << MOE_PATH_B12X);
  CHECK_EQ(machine.provider()->capabilities().cutlass_prefill_threshold, 0);
}

TEST_CASE("a batch runs: y, stage times, total, workspace") {
  FakeMachine machine;
  {
    const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
    const RunInput input = batch(9);
    const RunOutput run = layer->run(input, {});
    CHECK(y_is_x(run, input));
    std::vector<std::string> stages;
    for (const StageTime& stage : run.stages) {
      stages.push_back(stage.stage);
      CHECK_GT(stage.microseconds, 0);
    }
    CHECK_EQ(stages, std::vector<std::string>{"quantize", "fc1", "activation", "fc2", "finalize", "total"});
    CHECK_GT(run.workspace_bytes, FakeFamily::kWorkspace);
    const RunInput prefill = batch(70, MOE_PATH_CUTLASS);
    CHECK(y_is_x(layer->run(prefill, {}), prefill));
    CHECK_EQ(machine.upcast.prepared, 1);
    CHECK_EQ(machine.sm90.prepared, 1);
    CHECK_EQ(machine.native.enqueued + machine.emulated.enqueued + machine.sm120.enqueued, 0);
  }
  CHECK_EQ(machine.driver.allocated, 0);
  CHECK_EQ(machine.driver.live_graphs + machine.driver.live_events + machine.driver.live_streams, 0);
}

TEST_CASE("the FP4 bytes are on the GPU once for both scale sets") {
  FakeMachine machine;
  const auto source = source_of(made(), MOE_CLEAN);
  const ByteSets sets = source.prepared->byte_sets();
  const auto layer = machine.provider()->create_layer(source);
  const size_t scalars = 8 * sizeof(float) * static_cast<size_t>(made()->shape.experts);
  CHECK_EQ(machine.driver.allocated, sets.fp4 + sets.b12x_scales + sets.cutlass_scales + scalars);
  const auto pure = machine.provider()->create_layer(source_of(made(), MOE_CLEAN, 0));
  CHECK_EQ(machine.driver.allocated, 2 * (sets.fp4 + sets.b12x_scales) + sets.cutlass_scales + scalars + scalars / 2);
  CHECK_EQ(thrown([&] { pure->run(batch(3, MOE_PATH_CUTLASS), {}); }).first, code::kUnsupported);
}

TEST_CASE("a layer says what it holds of the GPU's memory, also while nothing runs") {
  FakeMachine machine;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  const moe_layer_memory before = layer->memory().value();
  CHECK_EQ(before.tensors, machine.driver.allocated);
  CHECK_EQ(before.reordered, 2000);  // both families, which the fake driver does not count
  CHECK_EQ(before.runs, 0);
  CHECK_EQ(before.graphs, 0);
  const RunOutput run = layer->run(batch(9), {});
  const moe_layer_memory after = layer->memory().value();
  CHECK_EQ(after.tensors + after.runs, machine.driver.allocated);
  CHECK_GE(after.runs, run.workspace_bytes);
  CHECK_EQ(after.graphs, machine.driver.live_graphs);
  CHECK_FALSE(cpu_provider()->create_layer(source_of(made(), MOE_CLEAN))->memory().has_value());
}

TEST_CASE("a shape is captured once and replayed; buffers that move drop the graphs") {
  FakeMachine machine;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  const RunInput large = batch(200);
  layer->run(large, {});
  CHECK_EQ(machine.driver.captures, 2);  // plain and staged
  CHECK_EQ(machine.upcast.enqueued, 4);
  CHECK_FALSE(machine.upcast.loads_in_capture);
  for (int i = 0; i < 5; ++i) {
    const RunInput again = batch(200, MOE_PATH_B12X, 50U + static_cast<uint32_t>(i));
    CHECK(y_is_x(layer->run(again, {}), again));
  }
  CHECK_EQ(machine.driver.captures, 2);
  CHECK_EQ(machine.driver.launches, 12);
  const RunInput other = batch(7);
  CHECK(y_is_x(layer->run(other, {}), other));
  CHECK_EQ(machine.driver.live_graphs, 4);
  CHECK(y_is_x(layer->run(large, {}), large));
  CHECK_EQ(machine.driver.captures, 4);

  const RunInput larger = batch(3000);
  CHECK(y_is_x(layer->run(larger, {}), larger));
  CHECK_EQ(machine.driver.live_graphs, 2);
  CHECK(y_is_x(layer->run(other, {}), other));

  for (int tokens = 1; tokens <= 100; ++tokens) layer->run(batch(tokens), {});
  CHECK_EQ(machine.driver.live_graphs, 2 * static_cast<int>(cuda::GraphCache::kMost));
}

TEST_CASE("taps come from a run of their own and must not change y") {
  FakeMachine machine;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  RunInput input = batch(9);
  input.taps = MOE_TAP_ALL;
  const RunOutput run = layer->run(input, {});
  CHECK(y_is_x(run, input));
  CHECK_EQ(run.tensors.size(), 8);
  CHECK_EQ(output(run, "x_q").shape, std::vector<int64_t>{9, 48});  // one activation scale for all experts
  CHECK_EQ(output(run, "fc1").shape, std::vector<int64_t>{18, 160});
  CHECK_EQ(output(run, "act_sf").shape, std::vector<int64_t>{18, 5});
  CHECK_EQ(output(run, "fc1").data[output(run, "fc1").bytes - 1], 4);
  CHECK_EQ(output(run, "fc2").data[output(run, "fc2").bytes - 1], 64);
  CHECK_EQ(machine.driver.captures, 2);  // the run with taps is not captured

  machine.upcast.taps_change_y = true;
  const auto [code, message] = thrown([&] { layer->run(input, {}); });
  CHECK_EQ(code, code::kInternal);
  CHECK(contains(message, "the run with taps gave another y"));
  input.deterministic = false;
  CHECK(y_is_x(layer->run(input, {}), input));
}

TEST_CASE("direct micro's reading of its scale is chosen as for the cpu provider") {
  FakeMachine machine;
  machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  CHECK(machine.upcast.prepared_for.direct_micro_divides);
  {
    const Variable multiplier("MOESCOPE_DIRECT_MICRO_SCALE", "multiplier");
    machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
    CHECK_FALSE(machine.upcast.prepared_for.direct_micro_divides);
  }
  const Variable unknown("MOESCOPE_DIRECT_MICRO_SCALE", "both");
  CHECK(contains(thrown([&] { machine.provider()->create_layer(source_of(made(), MOE_CLEAN)); }).second, "MOESCOPE_DIRECT_MICRO_SCALE has a value that is not known"));
}

TEST_CASE("cold L2 flushes before each timed replay; warm does not") {
  FakeMachine machine;
  machine.driver.facts.l2_bytes = 4096;
  machine.provider()->create_layer(source_of(made(), MOE_CLEAN))->run(batch(4), {});
  CHECK_EQ(machine.driver.fills, 0);
  const Variable mode("MOESCOPE_CUDA_L2", "cold");
  machine.provider()->create_layer(source_of(made(), MOE_CLEAN))->run(batch(4), {});
  CHECK_EQ(machine.driver.fills, 2);
}

TEST_CASE("a cancelled batch stops before the GPU sees it, and the layer goes on") {
  FakeMachine machine;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  moe_batch stopped{};
  const int32_t cancel = 1;
  layer->inspect(batch(4), {}, [&](moe_layer* native, const moe_batch& b) {
    stopped = b;
    stopped.cancel = &cancel;
    const moe_sink sink{};
    CHECK_EQ(layer->provider().functions().run(native, &stopped, &sink), MOE_CANCELLED);
  });
  CHECK_EQ(machine.upcast.enqueued, 0);
  const RunInput input = batch(4);
  CHECK(y_is_x(layer->run(input, {}), input));
}
