// What the cuda provider says and does when memory, a launch or the GPU fails, on a fake driver.
#include <doctest/doctest.h>

#include "fake_cuda_batches.h"

using namespace moe;
using namespace moe::test;

TEST_CASE("no memory: the tensor, its size and what is free are named, and nothing is kept") {
  FakeMachine machine;
  machine.driver.capacity = 70000;
  const auto [code, message] = thrown([&] { machine.provider()->create_layer(source_of(made(), MOE_CLEAN)); });
  CHECK_EQ(code, code::kOutOfMemory);
  CHECK(contains(message, "the GPU has no memory for w"));
  CHECK(contains(message, "KiB free; found "));
  CHECK(contains(message, " free of 68 KiB; free device memory, or take the provider cpu"));
  CHECK_EQ(machine.driver.allocated, 0);

  machine.driver.capacity = size_t{1} << 20;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  const auto [run_code, run_message] = thrown([&] { layer->run(batch(4096), {}); });
  CHECK_EQ(run_code, code::kOutOfMemory);
  CHECK(contains(run_message, "b12x-upcast (4096 tokens, kernel static, tile 128x128): the GPU has no memory for the run's buffers"));
  CHECK(contains(run_message, " free of 1 MiB; free device memory, or run fewer tokens"));
  const RunInput small = batch(2);
  CHECK(y_is_x(layer->run(small, {}), small));
}

TEST_CASE("no memory for a family's copy: the family, the size, what is free and what to do, and nothing that it said is lost") {
  FakeMachine machine;
  machine.driver.capacity = size_t{3} << 20;
  const auto create = [&] { return thrown([&] { machine.provider()->create_layer(source_of(made(), MOE_CLEAN)); }); };
  SUBCASE("it says how large the copy is and what to do") {
    machine.sm90.prepare_throws = cuda::no_memory_for_copy(uint64_t{5} << 30, "a second copy of the weights", "prepare the layer with threshold 0");
    const auto [code, message] = create();
    CHECK_EQ(code, code::kOutOfMemory);
    CHECK(contains(message, "the GPU has no memory for the layer's copy of cutlass-sm90 (a second copy of the weights); expected 5.00 GiB free; found "));
    CHECK(contains(message, " free of 3 MiB; prepare the layer with threshold 0"));
  }
  SUBCASE("it does not say, as check_cuda") {
    machine.upcast.prepare_throws = Error(code::kOutOfMemory, "allocating the weights failed: cudaErrorMemoryAllocation (out of memory)", {{"found", std::string("cudaErrorMemoryAllocation")}});
    const auto [code, message] = create();
    CHECK_EQ(code, code::kOutOfMemory);
    CHECK(contains(message, "the layer's copy of b12x-upcast (allocating the weights failed: cudaErrorMemoryAllocation (out of memory)); expected more free; found "));
    CHECK(contains(message, " free of 3 MiB; free device memory, or take the provider cpu"));
  }
  CHECK_EQ(machine.driver.allocated, 0);
}

TEST_CASE("a fault in a kernel names kernels, batch and error, and the layer can only be destroyed") {
  FakeMachine machine;
  {
    const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
    layer->run(batch(4), {});
    machine.driver.fault = cuda::status::kIllegalAddress;
    machine.upcast.faults = true;
    const auto [code, message] = thrown([&] { layer->run(batch(33), {}); });
    CHECK_EQ(code, code::kDeviceLost);
    CHECK(contains(message, "b12x-upcast (33 tokens, kernel static, tile 128x128): the GPU reported cudaErrorIllegalAddress (an illegal memory access was encountered)"));
    CHECK(contains(message, "restart the engine"));
    machine.upcast.faults = false;
    const auto [later, again] = thrown([&] { layer->run(batch(4), {}); });
    CHECK_EQ(later, code::kDeviceLost);
    CHECK(contains(again, "was lost in an earlier batch of this layer; restart the engine"));

    // Nor can another layer be made in this process, and it says why.
    const auto [creating, why] = thrown([&] { machine.provider()->create_layer(source_of(made(), MOE_CLEAN)); });
    CHECK_EQ(creating, code::kDeviceLost);
    CHECK(contains(why, "the GPU reported cudaErrorIllegalAddress (an illegal memory access was encountered) while looking for the GPU; restart the engine"));
    CHECK(contains(machine.provider()->probe().reason, "restart the engine"));
  }
  CHECK_EQ(machine.driver.allocated, 0);
}

TEST_CASE("a fault is a lost device whoever notices it") {
  FakeMachine machine;
  machine.driver.fault = cuda::status::kIllegalAddress;
  SUBCASE("the next launch of the run") {
    const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
    machine.upcast.faults = machine.upcast.notices_fault = true;
    const auto [code, message] = thrown([&] { layer->run(batch(4), {}); });
    CHECK_EQ(code, code::kDeviceLost);
    CHECK(contains(message, "b12x-upcast (4 tokens, kernel static, tile 128x128): the GPU reported cudaErrorIllegalAddress (an illegal memory access was encountered) while running (fc2 failed: "));
    CHECK(contains(thrown([&] { layer->run(batch(4), {}); }).second, "was lost in an earlier batch"));
  }
  SUBCASE("another layer's fault") {
    const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
    const auto other = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
    machine.upcast.faults = true;
    CHECK_EQ(thrown([&] { layer->run(batch(4), {}); }).first, code::kDeviceLost);
    CHECK(contains(thrown([&] { other->run(batch(4), {}); }).second, "while choosing the GPU; restart the engine"));
    CHECK(contains(thrown([&] { other->run(batch(4), {}); }).second, "was lost in an earlier batch"));
  }
  SUBCASE("a family that puts its weights in order") {
    machine.upcast.faults = true;
    machine.upcast.prepare_throws = Error(code::kInternal, "putting the weights in order failed");
    const auto [code, message] = thrown([&] { machine.provider()->create_layer(source_of(made(), MOE_CLEAN)); });
    CHECK_EQ(code, code::kDeviceLost);
    CHECK(contains(message, "while preparing the layer for b12x-upcast (putting the weights in order failed); restart the engine"));
  }
  SUBCASE("MPS ended the client") { CHECK(cuda::is_fault(810)); }
}

TEST_CASE("what fails is told once: the next batch is not blamed for it") {
  FakeMachine machine;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  const RunInput input = batch(4);
  machine.driver.capture_fails = 900;
  CHECK_EQ(thrown([&] { layer->run(input, {}); }).first, code::kInternal);
  machine.driver.capture_fails = 0;
  CHECK(y_is_x(layer->run(input, {}), input));

  machine.upcast.notices_fault = true;
  machine.driver.leave_error(1);
  CHECK_EQ(thrown([&] { layer->run(batch(5), {}); }).first, code::kInternal);
  machine.upcast.notices_fault = false;
  CHECK(y_is_x(layer->run(batch(5), {}), batch(5)));
}

TEST_CASE("nobody waits for the whole device while a stream is captured") {
  FakeMachine machine;
  machine.provider()->create_layer(source_of(made(), MOE_CLEAN))->run(batch(4), {});
  CHECK_EQ(machine.driver.captures, 2);
  CHECK_FALSE(machine.driver.unguarded);
}

TEST_CASE("a batch that just fits runs, without the room that is left for the next one") {
  FakeMachine machine;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  const RunOutput roomy = layer->run(batch(500), {});
  const auto held = static_cast<size_t>(layer->memory().value().runs);
  CHECK_GT(held, roomy.workspace_bytes);
  const auto tight = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  machine.driver.capacity = machine.driver.allocated + roomy.workspace_bytes;
  CHECK(y_is_x(tight->run(batch(500), {}), batch(500)));
  CHECK_EQ(tight->memory().value().runs, roomy.workspace_bytes);
}

TEST_CASE("a launch that goes wrong while capturing is told and forgotten") {
  FakeMachine machine;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  machine.upcast.throws = true;
  CHECK(contains(thrown([&] { layer->run(batch(4), {}); }).second, "b12x-upcast (4 tokens, kernel static, tile 128x128): this launch went wrong"));
  CHECK_EQ(machine.driver.abandoned, 1);
  machine.upcast.throws = false;
  machine.driver.capture_fails = 900;
  CHECK_EQ(thrown([&] { layer->run(batch(4), {}); }).first, code::kInternal);
  machine.driver.capture_fails = 0;
  const RunInput input = batch(4);
  CHECK(y_is_x(layer->run(input, {}), input));
}

TEST_CASE("a shape that the kernels refuse, a family that is not linked, and an unknown setting say so") {
  FakeMachine machine;
  const auto layer = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  machine.upcast.why_not = "more experts than it has room for";
  const auto [code, message] = thrown([&] { layer->run(batch(4), {}); });
  CHECK_EQ(code, code::kUnsupported);
  CHECK(contains(message, "cannot run: more experts than it has room for"));

  const int prepared = machine.upcast.prepared;
  const auto refused = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  CHECK_EQ(machine.upcast.prepared, prepared);  // no copy of what cannot run
  CHECK(contains(thrown([&] { refused->run(batch(4), {}); }).second, "cannot run: more experts than it has room for"));

  machine.backend.families.b12x_upcast = nullptr;
  const auto emulated = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  emulated->run(batch(4), {});
  CHECK_GT(machine.emulated.enqueued, 0);
  machine.backend.families.b12x_emulated = nullptr;
  const auto neither = machine.provider()->create_layer(source_of(made(), MOE_CLEAN));
  CHECK(contains(thrown([&] { neither->run(batch(4), {}); }).second, "no kernels for the path b12x on sm_90"));

  const Variable body("MOESCOPE_CUDA_BODY", "fast");
  const auto [unknown, text] = thrown([&] { machine.provider()->create_layer(source_of(made(), MOE_CLEAN)); });
  CHECK_EQ(unknown, code::kUnsupported);
  CHECK(contains(text, "MOESCOPE_CUDA_BODY has a value that is not known; expected auto, native, emulated or upcast; found fast"));
}
