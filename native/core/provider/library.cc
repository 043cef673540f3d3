#include "core/provider/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/error/error.h"

namespace moe {
namespace {

constexpr char kSymbol[] = "moescope_provider";

[[noreturn]] void refuse(const std::string& origin, const std::string& what, const std::string& expected, const std::string& found) {
  throw Error(code::kProviderLoad, "provider " + origin + ": " + what,
              {{"subject", origin}, {"expected", expected}, {"found", found}, {"remedy", std::string("build it against native/provider.h of this version")}});
}

/// A table without the functions that came later still fits.
constexpr size_t kLeastTable = offsetof(moe_provider, layer_memory);

const char* code_of(moe_status status) {
  switch (status) {
    case MOE_INVALID: return code::kUsage;
    case MOE_UNSUPPORTED: return code::kUnsupported;
    case MOE_NO_DEVICE: return code::kNoDevice;
    case MOE_OUT_OF_MEMORY: return code::kOutOfMemory;
    case MOE_DEVICE_LOST: return code::kDeviceLost;
    case MOE_CANCELLED: return code::kCancelled;
    default: return code::kInternal;
  }
}

}  // namespace

Provider::Provider(const moe_provider& functions, const std::string& origin)
    : name_(functions.name), version_(functions.version == nullptr ? "" : functions.version) {
  std::memcpy(&functions_, &functions, std::min(sizeof functions_, static_cast<size_t>(functions.struct_size)));
  capabilities_.struct_size = sizeof capabilities_;
  require_ok(functions_.capabilities(&capabilities_), "capabilities");
  if (capabilities_.struct_size < sizeof capabilities_) {
    refuse(origin, "its moe_capabilities is older", std::to_string(sizeof capabilities_) + " bytes", std::to_string(capabilities_.struct_size) + " bytes");
  }
}

std::shared_ptr<const Provider> Provider::wrap(const moe_provider* functions, const std::string& origin) {
  if (functions == nullptr) refuse(origin, std::string(kSymbol) + "() gave no table", "a moe_provider", "null");
  // Only `abi` may be read before it is known to fit.
  if (functions->abi != MOE_PROVIDER_ABI) refuse(origin, "it speaks another ABI", "ABI " + std::to_string(MOE_PROVIDER_ABI), "ABI " + std::to_string(functions->abi));
  if (functions->struct_size < kLeastTable) {
    refuse(origin, "its moe_provider is older", std::to_string(kLeastTable) + " bytes", std::to_string(functions->struct_size) + " bytes");
  }
  const bool complete = functions->name != nullptr && functions->capabilities != nullptr && functions->probe != nullptr && functions->create_layer != nullptr &&
                        functions->run != nullptr && functions->destroy_layer != nullptr && functions->last_error != nullptr;
  if (!complete) refuse(origin, "its moe_provider is not complete", "a name and six functions", "a null entry");
  return std::shared_ptr<const Provider>(new Provider(*functions, origin));
}

std::shared_ptr<const Provider> Provider::load(const std::string& path) {
  // A bare file name would be searched on the loader's path; a provider is always meant as a file.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    throw Error(code::kProviderLoad, "cannot open the provider library " + path + ": " + (reason == nullptr ? "no reason given" : reason),
                {{"subject", path}, {"remedy", std::string("give \"reference\", \"cpu\" or the path of a shared library that exports moescope_provider")}});
  }
  void* symbol = dlsym(library, kSymbol);
  if (symbol == nullptr) {
    dlclose(library);
    refuse(path, std::string("it does not export ") + kSymbol, std::string("the symbol ") + kSymbol, "no such symbol");
  }
  return wrap(reinterpret_cast<moescope_provider_fn>(symbol)(), path);
}

void Provider::require_ok(moe_status status, const char* what) const {
  if (status == MOE_OK) return;
  const char* reason = functions_.last_error();
  std::string message = reason == nullptr ? "" : reason;
  if (message.empty()) message = std::string(what) + " failed with status " + std::to_string(status) + " and no reason";
  throw Error(code_of(status), message, {{"subject", "provider " + name_}, {"status", static_cast<double>(status)}});
}

moe_device Provider::probe() const {
  moe_device device{};
  device.struct_size = sizeof device;
  require_ok(functions_.probe(&device), "probe");
  // A provider may fill a buffer to its end.
  device.name[sizeof device.name - 1] = 0;
  device.driver[sizeof device.driver - 1] = 0;
  device.arch[sizeof device.arch - 1] = 0;
  device.reason[sizeof device.reason - 1] = 0;
  return device;
}

std::shared_ptr<ProviderLayer> Provider::create_layer(LayerSource source) const {
  return std::make_shared<ProviderLayer>(shared_from_this(), std::move(source));
}

}  // namespace moe
