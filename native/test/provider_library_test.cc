// The loader of provider libraries: what it takes, and what it says when it does not.
#include <doctest/doctest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/error/error.h"
#include "made_layer.h"
#include "provider_layers.h"

using namespace moe;
using namespace moe::test;

namespace {

/// build/providers beside build/test, where this program lies.
std::string library(const std::string& name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "providers" / ("libmoescope_" + name + ".so")).string();
}

std::string message_of(const std::string& path) {
  try {
    Provider::load(path);
  } catch (const Error& error) {
    CHECK_EQ(error.code(), code::kProviderLoad);
    return error.message();
  }
  return "nothing thrown";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the older build loads, runs b12x, and has no cutlass_prefill_threshold") {
  const auto provider = Provider::load(library("older_build"));
  CHECK_EQ(provider->name(), "older-build");
  CHECK_EQ(provider->capabilities().cutlass_prefill_threshold, 0);
  CHECK_EQ(cpu_provider()->capabilities().cutlass_prefill_threshold, 1);
  CHECK_EQ(provider->probe().available, 1);

  const auto layer = MadeLayer().assembled();
  const LayerSource source = source_of(layer, MOE_UNIT_ALPHA, 0);
  const RunInput input = on(random_batch(layer->shape, 9, 2), MOE_PATH_B12X, MOE_KERNEL_STATIC);
  const RunOutput theirs = provider->create_layer(source)->run(input, {});
  CHECK(same_bytes(theirs.tensors.front(), cpu_provider()->create_layer(source)->run(input, {}).tensors.front()));
  CHECK_THROWS_AS(provider->create_layer(source)->run(on(input, MOE_PATH_CUTLASS, MOE_KERNEL_CUTLASS), {}), Error);
}

TEST_CASE("libraries that are refused say why") {
  CHECK(contains(message_of("/nowhere/libnothing.so"), "/nowhere/libnothing.so"));
  const ScratchFolder folder;
  std::ofstream(folder.file("text.so")) << "not a library";
  CHECK(contains(message_of(folder.file("text.so")), "text.so"));
  CHECK(contains(message_of(library("broken_0")), "does not export moescope_provider"));
  CHECK(contains(message_of(library("broken_1")), "another ABI"));
  CHECK(contains(message_of(library("broken_2")), "older"));
  CHECK(contains(message_of(library("broken_3")), "not complete"));
  CHECK(contains(message_of(library("broken_4")), "no table"));
}

TEST_CASE("a table from before layer_memory is taken, and what lies behind it is not read") {
  static const moe_provider shorter = [] {
    moe_provider table = *cpu::provider();
    table.struct_size = offsetof(moe_provider, layer_memory);
    table.layer_memory = [](moe_layer*, moe_layer_memory*) { return MOE_INTERNAL; };
    return table;
  }();
  const auto layer = Provider::wrap(&shorter, "shorter")->create_layer(source_of(MadeLayer().assembled(), MOE_CLEAN));
  CHECK_FALSE(layer->memory().has_value());
}

TEST_CASE("a source that does not fit its contract is refused before the provider sees it") {
  const auto layer = MadeLayer().assembled();
  const auto code_of = [&](const std::shared_ptr<const Provider>& provider, LayerSource source) {
    try {
      provider->create_layer(std::move(source));
    } catch (const Error& error) {
      return error.code();
    }
    return std::string("nothing thrown");
  };
  CHECK_EQ(code_of(cpu_provider(), {layer, nullptr, MOE_UNIT_ALPHA}), code::kUsage);
  CHECK_EQ(code_of(reference_provider(), {nullptr, nullptr, MOE_IDEAL}), code::kUsage);
  LayerSource mixed = source_of(layer, MOE_UNIT_ALPHA);
  mixed.contract = MOE_CLEAN;
  CHECK_EQ(code_of(cpu_provider(), mixed), code::kUsage);
  CHECK_EQ(code_of(cpu_provider(), {layer, nullptr, MOE_IDEAL}), code::kUnsupported);
  CHECK_EQ(code_of(cpu_provider(), source_of(layer, MOE_CLEAN)), "nothing thrown");
}

TEST_CASE("a layer outlives the handles it was made from") {
  std::shared_ptr<ProviderLayer> on_cpu;
  RunInput input;
  {
    const auto layer = MadeLayer().assembled();
    on_cpu = cpu_provider()->create_layer(source_of(layer, MOE_CLEAN));
    input = on(random_batch(layer->shape, 3, 2), MOE_PATH_B12X, MOE_KERNEL_STATIC);
  }
  CHECK_EQ(on_cpu->run(input, {}).tensors.front().name, "y");
}

TEST_CASE("stages and workspace are reported") {
  const auto layer = MadeLayer().assembled();
  const RunOutput run = cpu_provider()->create_layer(source_of(layer, MOE_CLEAN))->run(on(random_batch(layer->shape, 3, 2), MOE_PATH_B12X, MOE_KERNEL_STATIC), {});
  std::vector<std::string> names;
  for (const StageTime& stage : run.stages) names.push_back(stage.stage);
  CHECK_EQ(names, std::vector<std::string>{"quantize", "fc1", "activation", "fc2", "finalize", "total"});
  CHECK_GT(run.workspace_bytes, 0);
}
