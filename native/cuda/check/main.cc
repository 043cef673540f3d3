// moescope_cuda_check: every family of kernels of the cuda provider against references made on the host, on the machine's
// GPU. Exit status 0 when all checks hold, 1 when one does not, 2 when they could not be run.
//   --quick          few small cases, without poisoned buffers: for compute-sanitizer
//   --family NAME    only this family (and not the MMA and formats by themselves)
//   --parts          only the MMA and formats by themselves
//   --json FILE      the findings as JSON
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>

#include "core/dispatch/decision.h"
#include "core/error/error.h"
#include "cuda/check/family_check.h"
#include "cuda/check/mma_check.h"
#include "cuda/provider/cuda_provider.h"

namespace moe::cuda::checking {
namespace {

struct Options {
  bool quick = false, parts = false;
  std::string family, json;
};

Options read_options(int count, char** arguments) {
  Options out;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const bool has_value = i + 1 < count;
    if (argument == "--quick") {
      out.quick = true;
    } else if (argument == "--parts") {
      out.parts = true;
    } else if (argument == "--family" && has_value) {
      out.family = arguments[++i];
    } else if (argument == "--json" && has_value) {
      out.json = arguments[++i];
    } else {
      throw Error(code::kUsage, "moescope_cuda_check does not know " + argument, {{"expected", std::string("--quick, --parts, --family NAME or --json FILE")}});
    }
  }
  return out;
}

std::vector<const KernelFamily*> chosen_families(const std::string& name, Findings& findings) {
  const Families linked = linked_families();
  std::vector<const KernelFamily*> out;
  std::string known;
  for (const KernelFamily* family : {linked.b12x_native, linked.b12x_emulated, linked.b12x_upcast, linked.cutlass_sm90, linked.cutlass_sm120}) {
    if (family == nullptr) continue;
    known += known.empty() ? family->name() : std::string(", ") + family->name();
    if (name.empty() || name == family->name()) out.push_back(family);
  }
  if (out.empty()) throw Error(code::kUsage, "the program holds no family " + name, {{"expected", known}, {"found", name}});
  if (linked.b12x_upcast == nullptr) findings.skip("b12x-upcast", "all cases", "it is not linked into this program");
  if (linked.cutlass_sm90 == nullptr) findings.skip("cutlass-sm90", "all cases", "it is not linked into this program");
  return out;
}

/// false after a fault: then the device runs nothing more in this process.
bool check_case(const Case& one, const std::vector<const KernelFamily*>& families, const Options& options, Findings& findings) {
  const HostLayer host = make_layer(one);
  const HostBatch batch = make_batch(one);
  const UploadedLayer uploaded(host);
  for (const KernelFamily* family : families) {
    const bool cutlass = std::strncmp(family->name(), "cutlass", 7) == 0;
    const bool all_tiles = std::strcmp(family->name(), "b12x-upcast") != 0 && one.tokens % 8 == 1;
    std::unique_ptr<FamilyLayer> own;
    for (const RunShape& shape : list_shapes(one, cutlass ? MOE_PATH_CUTLASS : MOE_PATH_B12X, all_tiles)) {
      if (const char* reason = family->refuses(uploaded.layer(), shape)) {
        findings.skip(family->name(), one.name, reason);
        continue;
      }
      try {
        if (own == nullptr) own.reset(family->prepare(uploaded.layer()));
        check_family(*family, own.get(), host, batch, uploaded.layer(), shape, !options.quick, findings);
      } catch (const Error& error) {
        const std::string tile = shape.tile_m > 0 ? " " + std::to_string(shape.tile_m) + "x" + std::to_string(shape.tile_n) : "";
        findings.add({family->name(), "faults", one.name + ", " + kernel_name(static_cast<moe_kernel>(shape.kernel)) + tile + ": " + error.message(), 1, 0});
        return false;
      }
    }
  }
  return true;
}

std::string version_text(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

/// The device and driver, as JSON members; sets `major`.
std::string describe_device(int& major) {
  int device = 0;
  int driver = 0;
  int runtime = 0;
  cudaDeviceProp properties{};
  check_cuda(cudaGetDevice(&device), "choice of a device");
  check_cuda(cudaGetDeviceProperties(&properties, device), "query of the device");
  check_cuda(cudaDriverGetVersion(&driver), "query of the driver");
  check_cuda(cudaRuntimeGetVersion(&runtime), "query of the runtime");
  major = properties.major;
  return "  \"device\": " + quoted(properties.name) + ",\n  \"arch\": \"sm_" + std::to_string(properties.major) + std::to_string(properties.minor) + "\",\n  \"cudaOfDriver\": \"" +
         version_text(driver) + "\",\n  \"cudaOfRuntime\": \"" + version_text(runtime) + "\",\n";
}

int run(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  int major = 0;
  std::string header = describe_device(major);
  std::printf("%s", header.c_str());
  Findings findings;
  const std::vector<const KernelFamily*> families = chosen_families(options.family, findings);
  if (options.family.empty()) {
    check_formats(options.quick, findings);
    check_mma(major == 12, options.quick, findings);
  }
  const std::vector<Case> cases = options.parts ? std::vector<Case>{} : list_cases(options.quick);
  for (const Case& one : cases) {
    if (!check_case(one, families, options, findings)) break;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  header += "  \"quick\": " + std::string(options.quick ? "true" : "false") + ",\n  \"cases\": " + std::to_string(cases.size()) + ",\n  \"seconds\": " + std::to_string(seconds) + ",\n";
  std::printf("%s", findings.text().c_str());
  if (!options.json.empty()) {
    std::ofstream file(options.json);
    file << findings.json(header);
    if (!file.flush()) throw Error(code::kFileUnreadable, "cannot write " + options.json, {{"subject", options.json}});
  }
  return findings.ok() ? 0 : 1;
}

}  // namespace
}  // namespace moe::cuda::checking

int main(int count, char** arguments) {
  try {
    return moe::cuda::checking::run(moe::cuda::checking::read_options(count, arguments));
  } catch (const moe::Error& error) {
    std::fprintf(stderr, "moescope_cuda_check: %s\n", error.what());
    for (const auto& [name, value] : error.details()) {
      if (const auto* text = std::get_if<std::string>(&value)) std::fprintf(stderr, "  %s: %s\n", name.c_str(), text->c_str());
    }
    return 2;
  }
}
