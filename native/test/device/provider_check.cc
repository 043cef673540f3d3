// moescope_provider_check LIBRARY [RUNS]: a provider library on this machine's device, through the same C ABI and loader as the app:
// y against the cpu provider, taps that do not change y, equal bits in 20 runs (or RUNS), stage times. Exit status 0 when all hold, 1 when
// one does not, 2 when it cannot run.
#include <cstdio>
#include <string>

#include "core/error/error.h"
#include "test/made_layer.h"
#include "test/provider_layers.h"

namespace moe::test {
namespace {

/// Both compute the same pipeline, but b12x-upcast adds FC2's sums in fp32 where the cpu provider adds bf16 as the real kernels
/// do, and rcp.approx may err in its last bit, so near ties of the quantizers fall otherwise. Measured on an H100: at most 0.0053
/// for b12x, 0.00016 for cutlass.
constexpr double kMostNrmse[] = {0.01, 0.002};  // by path

struct Shape {
  const char* name;
  bool gated;
  int32_t experts, hidden, intermediate;
};
constexpr Shape kShapes[] = {{"gated H256 I192 E8", true, 8, 256, 192}, {"relu2 H512 I336 E16", false, 16, 512, 336}, {"gated H1024 I704 E32", true, 32, 1024, 704}};

moe_kernel kernel_for(int tokens) {
  if (tokens <= 8) return MOE_KERNEL_DIRECT_MICRO;
  return tokens <= 20 ? MOE_KERNEL_MICRO : tokens <= 320 ? MOE_KERNEL_STATIC : MOE_KERNEL_DYNAMIC;
}

std::string times(const RunOutput& run) {
  std::string text;
  char entry[64];
  for (const StageTime& stage : run.stages) {
    std::snprintf(entry, sizeof entry, " %s %.1f", stage.stage.c_str(), stage.microseconds);
    text += entry;
  }
  return text;
}

bool check_batch(const char* shape, ProviderLayer& layer, ProviderLayer& on_cpu, RunInput input, int runs) {
  const RunOutput first = layer.run(input, {});
  const double error = nrmse(output(first, "y"), output(on_cpu.run(input, {}), "y"));
  int other = 0;
  for (int i = 1; i < runs; ++i) other += same_bytes(output(layer.run(input, {}), "y"), output(first, "y")) ? 0 : 1;
  input.taps = MOE_TAP_ALL;
  const RunOutput tapped = layer.run(input, {});
  const bool same = same_bytes(output(tapped, "y"), output(first, "y")) && tapped.tensors.size() == 8;
  const bool good = error <= kMostNrmse[input.path] && other == 0 && same;
  std::printf("%s %s, %d tokens, %s: NRMSE to cpu %.5f, other bits in %d of %d runs, taps %s; us:%s\n", good ? "ok  " : "FAIL", shape, input.tokens,
              input.path == MOE_PATH_CUTLASS ? "cutlass" : "b12x", error, other, runs, same ? "do not change y" : "CHANGE y or are missing", times(first).c_str());
  std::fflush(stdout);
  return good;
}

int check(const std::string& library, int runs) {
  const auto provider = Provider::load(library);
  const moe_device device = provider->probe();
  std::printf("%s\n%s, %s, %s\n", library.c_str(), device.name, device.arch, device.driver);
  if (device.available == 0) throw Error(code::kNoDevice, device.reason);
  bool good = true;
  for (const Shape& shape : kShapes) {
    const auto layer = MadeLayer(shape.gated, true, shape.experts, shape.hidden, shape.intermediate).assembled();
    const LayerSource source = source_of(layer, MOE_CLEAN);
    const auto on_device = provider->create_layer(source);
    const auto on_cpu = cpu_provider()->create_layer(source);
    for (const int tokens : {1, 9, 65, 500, 1}) {
      for (const moe_path path : {MOE_PATH_B12X, MOE_PATH_CUTLASS}) {
        if ((provider->capabilities().paths >> path & 1) == 0) continue;
        const moe_kernel kernel = path == MOE_PATH_CUTLASS ? MOE_KERNEL_CUTLASS : kernel_for(tokens);
        good = check_batch(shape.name, *on_device, *on_cpu, on(random_batch(layer->shape, tokens, 5), path, kernel), runs) && good;
      }
    }
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace moe::test

int main(int count, char** arguments) {
  try {
    if (count < 2 || count > 3) throw moe::Error(moe::code::kUsage, "usage: moescope_provider_check LIBRARY [RUNS]");
    return moe::test::check(arguments[1], count == 3 ? std::stoi(arguments[2]) : 20);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
