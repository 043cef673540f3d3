// openProvider(): providers and their layers.
#include "addon/provider_binding.h"

#include <dlfcn.h>

#include <array>
#include <filesystem>

#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/layer_wrap.h"
#include "addon/tensor_wrap.h"
#include "cpu/cpu_provider.h"
#include "reference/reference_provider.h"

namespace moe::addon {
namespace {

constexpr std::array<const char*, 4> kActivations = {"silu", "gelu_tanh", "swigluoai", "relu2"};
constexpr const char* kTaps[] = {"x_q", "x_sf", "fc1", "act", "act_q", "act_sf", "fc2"};  // bit i = MOE_TAP_*
constexpr const char* kPaths[] = {"b12x", "cutlass", "reference"};
constexpr const char* kKernels[] = {"direct-micro", "micro", "static", "dynamic", "cutlass", "reference"};

/// Names of the set bits of a mask.
template <class NameOf>
Napi::Array names_of(Napi::Env env, int32_t mask, int count, const NameOf& name_of) {
  Napi::Array out = Napi::Array::New(env);
  for (int bit = 0; bit < count; ++bit) {
    if ((mask >> bit & 1) != 0) out.Set(out.Length(), Napi::String::New(env, name_of(bit)));
  }
  return out;
}

int32_t taps_argument(const Napi::Value& value, const std::string& where) {
  if (!value.IsArray()) throw_usage(where, "an array of tap names", describe(value));
  const auto array = value.As<Napi::Array>();
  int32_t mask = 0;
  for (uint32_t i = 0; i < array.Length(); ++i) mask |= 1 << to_choice(array.Get(i), where + "[" + std::to_string(i) + "]", kTaps);
  return mask;
}

Napi::Value run_object(Napi::Env env, RunOutput& output) {
  Napi::Object tensors = Napi::Object::New(env);
  for (Tensor& tensor : output.tensors) {
    const std::string name = tensor.name;
    tensors.Set(name, TensorWrap::wrap_owned(env, std::move(tensor)));
  }
  Napi::Array stages = Napi::Array::New(env, output.stages.size());
  for (size_t i = 0; i < output.stages.size(); ++i) {
    Napi::Object stage = Napi::Object::New(env);
    stage.Set("stage", output.stages[i].stage);
    stage.Set("microseconds", Napi::Number::New(env, output.stages[i].microseconds));
    stages.Set(static_cast<uint32_t>(i), stage);
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("tensors", tensors);
  out.Set("stages", stages);
  out.Set("workspaceBytes", Napi::Number::New(env, static_cast<double>(output.workspace_bytes)));
  return out;
}

/// The cuda provider is a library of its own: in providers/ beside the addon after a build, beside the addon in a package.
std::shared_ptr<const Provider> open_cuda() {
  Dl_info addon{};
  if (dladdr(reinterpret_cast<const void*>(&open_cuda), &addon) == 0) throw Error(code::kInternal, "the addon does not know where it lies");
  const std::filesystem::path folder = std::filesystem::absolute(addon.dli_fname).parent_path();
  const std::filesystem::path built = folder / "providers" / "libmoescope_cuda.so";
  for (const std::filesystem::path& path : {built, folder / "libmoescope_cuda.so"}) {
    if (std::filesystem::exists(path)) return Provider::load(path.string());
  }
  throw Error(code::kProviderLoad, "the cuda provider is not built: there is no " + built.string(),
              {{"subject", std::string("provider cuda")},
               {"remedy", std::string("build it with `node scripts/build-native.mjs --cuda`, which needs nvcc 13.0 or newer, or take the provider cpu")}});
}

Napi::Value open_provider(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::string name = to_text(info[0], "nameOrPath");
    std::shared_ptr<const Provider> provider;
    if (name == "reference") {
      provider = Provider::wrap(reference::provider(), "reference");
    } else if (name == "cpu") {
      provider = Provider::wrap(cpu::provider(), "cpu");
    } else if (name == "cuda") {
      provider = open_cuda();
    } else {
      provider = Provider::load(name);
    }
    return ProviderWrap::wrap(info.Env(), provider);
  });
}

}  // namespace

RunInput run_argument(const Fields& fields) {
  RunInput input;
  input.tokens = static_cast<int32_t>(fields.integer("tokens", 0, 1 << 24));
  input.x = fields.vector<uint16_t>("x");
  input.topk_ids = fields.vector<int32_t>("topkIds");
  input.topk_weights = fields.vector<float>("topkWeights");
  input.path = static_cast<moe_path>(to_choice(fields.value("path"), fields.path("path"), kPaths));
  input.kernel = static_cast<moe_kernel>(to_choice(fields.value("kernel"), fields.path("kernel"), kKernels));
  input.tile_m = static_cast<int32_t>(fields.integer("tileM", 0, 1 << 20));
  input.tile_n = static_cast<int32_t>(fields.integer("tileN", 0, 1 << 20));
  input.taps = taps_argument(fields.value("taps"), fields.path("taps"));
  input.deterministic = fields.flag("deterministic");
  input.seed = to_u64(fields.value("seed"), fields.path("seed"));
  return input;
}

Napi::Function ProviderWrap::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&ProviderWrap::name>("name"), InstanceAccessor<&ProviderWrap::version>("version"),
                      InstanceMethod<&ProviderWrap::capabilities>("capabilities"), InstanceMethod<&ProviderWrap::probe>("probe"),
                      InstanceMethod<&ProviderWrap::create_layer>("createLayer")});
}

Napi::Value ProviderWrap::name(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), native()->name()); }
Napi::Value ProviderWrap::version(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), native()->version()); }

Napi::Value ProviderWrap::capabilities(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const moe_capabilities& can = native()->capabilities();
    Napi::Object out = Napi::Object::New(env);
    out.Set("paths", names_of(env, can.paths, 3, [](int bit) { return kPaths[bit]; }));
    out.Set("activations", names_of(env, can.activations, 4, [](int bit) { return kActivations[static_cast<size_t>(bit)]; }));
    out.Set("contracts", names_of(env, can.contracts, 6, [](int bit) { return contract_name(static_cast<moe_contract>(bit)); }));
    out.Set("taps", names_of(env, can.taps, 7, [](int bit) { return kTaps[bit]; }));
    out.Set("cutlassPrefillThreshold", Napi::Boolean::New(env, can.cutlass_prefill_threshold != 0));
    out.Set("deterministicOnly", Napi::Boolean::New(env, can.deterministic_only != 0));
    out.Set("maxTokens", Napi::Number::New(env, can.max_tokens));
    out.Set("timingSource", can.timing_source == nullptr ? "" : can.timing_source);
    return out;
  });
}

Napi::Value ProviderWrap::probe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const moe_device device = native()->probe();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("name", Napi::String::New(info.Env(), device.name));
    out.Set("driver", Napi::String::New(info.Env(), device.driver));
    out.Set("arch", Napi::String::New(info.Env(), device.arch));
    out.Set("available", Napi::Boolean::New(info.Env(), device.available != 0));
    out.Set("reason", Napi::String::New(info.Env(), device.reason));
    out.Set("memoryBytes", Napi::Number::New(info.Env(), static_cast<double>(device.memory_bytes)));
    return out;
  });
}

Napi::Value ProviderWrap::create_layer(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using Layer = std::shared_ptr<ProviderLayer>;
    const Fields fields(info[0], "source");
    LayerSource source;
    source.contract = contract_from_name(fields.text("contract"));
    if (fields.has("checkpoint")) source.checkpoint = CheckpointLayerWrap::native_of(fields.value("checkpoint"), fields.path("checkpoint"));
    if (fields.has("prepared")) source.prepared = PreparedLayerWrap::native_of(fields.value("prepared"), fields.path("prepared"));
    return AsyncTask<Layer>::start(
        info.Env(), {}, [provider = native(), source](const Task&) { return provider->create_layer(source); },
        [](Napi::Env env, Layer& layer) -> Napi::Value { return ProviderLayerWrap::wrap(env, layer); });
  });
}

Napi::Function ProviderLayerWrap::define(Napi::Env env) {
  return DefineClass(env, kName, {InstanceMethod<&ProviderLayerWrap::run>("run"), InstanceMethod<&ProviderLayerWrap::history>("history"),
                                  InstanceMethod<&ProviderLayerWrap::resum_noise>("resumNoise"), InstanceMethod<&ProviderLayerWrap::memory>("memory"),
                                  InstanceMethod<&ProviderLayerWrap::destroy>("destroy")});
}

Napi::Value ProviderLayerWrap::run(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[0], "request");
    TaskHooks hooks;
    hooks.cancel = CancelFlagWrap::flag_of(fields.value("cancel"), "request.cancel");
    return AsyncTask<RunOutput>::start(
        info.Env(), std::move(hooks),
        [layer = native(), input = run_argument(fields)](const Task& task) { return layer->run(input, task); }, run_object);
  });
}

Napi::Value ProviderLayerWrap::memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::optional<moe_layer_memory> held = native()->memory();
    if (!held) return info.Env().Null();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("tensors", Napi::Number::New(info.Env(), static_cast<double>(held->tensors)));
    out.Set("reordered", Napi::Number::New(info.Env(), static_cast<double>(held->reordered)));
    out.Set("runs", Napi::Number::New(info.Env(), static_cast<double>(held->runs)));
    out.Set("graphs", Napi::Number::New(info.Env(), held->graphs));
    return out;
  });
}

Napi::Value ProviderLayerWrap::destroy(const Napi::CallbackInfo& info) {
  release();
  return info.Env().Undefined();
}

void init_provider(Napi::Env env, Napi::Object exports) {
  AddonData::of(env).provider = Napi::Persistent(ProviderWrap::define(env));
  AddonData::of(env).provider_layer = Napi::Persistent(ProviderLayerWrap::define(env));
  exports.Set("openProvider", Napi::Function::New(env, open_provider, "openProvider"));
}

}  // namespace moe::addon
