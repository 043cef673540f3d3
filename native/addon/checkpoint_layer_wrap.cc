// assembleLayer() and its result.
#include <limits>

#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/layer_wrap.h"
#include "addon/mapped_file_wrap.h"
#include "addon/tensor_wrap.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxSize = 1LL << 24;  // of H and I: far above any model, and products stay in 64 bits

std::vector<uint64_t> offsets(const Fields& fields, const char* key, int64_t experts) {
  const std::vector<double> values = fields.vector<double>(key, experts);
  std::vector<uint64_t> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] >= 0 && values[i] <= 9007199254740991.0)) throw_usage(fields.path(key) + "[" + std::to_string(i) + "]", "a byte offset", std::to_string(values[i]));
    out[i] = static_cast<uint64_t>(values[i]);
  }
  return out;
}

ProjectionSources sources_of(const Napi::Value& value, const std::string& where, int64_t experts) {
  const Fields fields(value, where);
  ProjectionSources out;
  out.file = fields.vector<int32_t>("file", experts);
  out.packed = offsets(fields, "packed", experts);
  out.scale_file = fields.vector<int32_t>("scaleFile", experts);
  out.scale = offsets(fields, "scale", experts);
  out.s2 = fields.vector<float>("s2", experts);
  if (fields.has("inputScale")) out.input_scale = fields.vector<float>("inputScale", experts);
  return out;
}

AssembleSpec spec_of(const Napi::Value& value) {
  const Fields fields(value, "spec");
  AssembleSpec spec;
  LayerShape& shape = spec.shape;
  // Values that make no sense for a layer (0, not a multiple of 16) are left to the core, whose message says why.
  shape.hidden = static_cast<int32_t>(fields.integer("hidden", 0, kMaxSize));
  shape.intermediate = static_cast<int32_t>(fields.integer("intermediate", 0, kMaxSize));
  shape.experts = static_cast<int32_t>(fields.integer("experts", 0, 1 << 20));
  shape.top_k = static_cast<int32_t>(fields.integer("topK", 0, 1 << 20));
  shape.gated = fields.flag("gated");
  shape.activation = static_cast<moe_activation>(to_choice(fields.value("activation"), fields.path("activation"), {"silu", "gelu_tanh", "swigluoai", "relu2"}));
  shape.swiglu_alpha = static_cast<float>(fields.number("swigluAlpha"));
  shape.swiglu_limit = static_cast<float>(fields.number("swigluLimit"));
  spec.convention = static_cast<Convention>(to_choice(fields.value("convention"), fields.path("convention"), {"small", "large"}));
  spec.merge = static_cast<Merge>(to_choice(fields.value("merge"), fields.path("merge"), {"max", "column-0"}));
  const Napi::Value files = fields.value("files");
  if (!files.IsArray()) throw_usage(fields.path("files"), "an array of MappedFile", describe(files));
  const auto list = files.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) spec.files.push_back(MappedFileWrap::native_of(list.Get(i), fields.path("files") + "[" + std::to_string(i) + "]"));
  if (fields.has("gate")) spec.gate = sources_of(fields.value("gate"), fields.path("gate"), shape.experts);
  spec.up = sources_of(fields.value("up"), fields.path("up"), shape.experts);
  spec.down = sources_of(fields.value("down"), fields.path("down"), shape.experts);
  return spec;
}

Napi::Value assemble_layer(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using Layer = std::shared_ptr<const CheckpointLayer>;
    AssembleSpec spec = spec_of(info[0]);
    return AsyncTask<Layer>::start(
        info.Env(), TaskHooks::from(info.Env(), info[1]), [spec = std::move(spec)](const Task& task) { return assemble(spec, task); },
        [](Napi::Env env, Layer& layer) { return CheckpointLayerWrap::wrap(env, layer); });
  });
}

}  // namespace

Napi::Function CheckpointLayerWrap::define(Napi::Env env) {
  return DefineClass(env, kName, {InstanceMethod<&CheckpointLayerWrap::report>("report"), InstanceMethod<&CheckpointLayerWrap::tensors>("tensors")});
}

Napi::Value CheckpointLayerWrap::report(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const AssembleReport& report = native()->report;
    Napi::Object out = Napi::Object::New(env);
    const auto set = [&](const char* name, double value) { out.Set(name, Napi::Number::New(env, value)); };
    const auto optional = [&](const char* name, const std::optional<float>& value) {
      out.Set(name, value ? Napi::Number::New(env, static_cast<double>(*value)).As<Napi::Value>() : env.Null());
    };
    set("differingGateUp", static_cast<double>(report.differing_gate_up));
    set("rescaledBlockScales", static_cast<double>(report.rescaled_block_scales));
    optional("a1", report.a1);
    optional("a2", report.a2);
    set("s2Min", static_cast<double>(report.s2_min));
    set("s2Max", static_cast<double>(report.s2_max));
    set("bytes", static_cast<double>(report.bytes));
    return out;
  });
}

Napi::Value CheckpointLayerWrap::tensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return TensorWrap::wrap_all(info.Env(), native()->tensors()); });
}

void init_checkpoint_layer(Napi::Env env, Napi::Object exports) {
  AddonData::of(env).checkpoint_layer = Napi::Persistent(CheckpointLayerWrap::define(env));
  exports.Set("assembleLayer", Napi::Function::New(env, assemble_layer, "assembleLayer"));
}

}  // namespace moe::addon
