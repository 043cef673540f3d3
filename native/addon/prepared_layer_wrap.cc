// prepareLayer() and its result.
#include <limits>

#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/layer_wrap.h"
#include "addon/tensor_wrap.h"
#include "core/tensor/safetensors.h"

namespace moe::addon {
namespace {

using Layer = std::shared_ptr<const PreparedLayer>;

Napi::Value wrap_layer(Napi::Env env, Layer& layer) { return PreparedLayerWrap::wrap(env, layer); }

std::vector<std::string> names_argument(const Napi::Value& value, const std::string& where) {
  std::vector<std::string> names;
  if (absent(value)) return names;
  if (!value.IsArray()) throw_usage(where, "an array of names", describe(value));
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) names.push_back(to_text(list.Get(i), where + "[" + std::to_string(i) + "]"));
  return names;
}

LeaveIn leave_in_of(const Fields& request) {
  LeaveIn out;
  for (const std::string& name : names_argument(request.value("leaveIn"), request.path("leaveIn"))) {
    if (name == "baked-block-scales") out.baked_block_scales = true;
    else if (name == "unit-activation-scale") out.unit_activation_scale = true;
    else throw_usage(request.path("leaveIn"), "baked-block-scales or unit-activation-scale", name);
  }
  return out;
}

Napi::Value prepare_layer(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[1], "request");
    const moe_contract contract = contract_from_name(fields.text("contract"));
    const auto threshold = static_cast<int32_t>(fields.integer("threshold", 0, std::numeric_limits<int32_t>::max()));
    const LeaveIn leave_in = leave_in_of(fields);
    return AsyncTask<Layer>::start(
        info.Env(), TaskHooks::from(info.Env(), info[2]),
        [checkpoint = CheckpointLayerWrap::native_of(info[0], "layer"), contract, threshold, leave_in](const Task& task) { return prepare(*checkpoint, contract, threshold, task, leave_in); }, wrap_layer);
  });
}

}  // namespace

Napi::Function PreparedLayerWrap::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&PreparedLayerWrap::contract>("contract"), InstanceAccessor<&PreparedLayerWrap::threshold>("threshold"),
                      InstanceMethod<&PreparedLayerWrap::tensors>("tensors"), InstanceMethod<&PreparedLayerWrap::views>("views"),
                      InstanceMethod<&PreparedLayerWrap::byte_sets>("byteSets"), InstanceMethod<&PreparedLayerWrap::rearrange>("rearrange"),
                      InstanceMethod<&PreparedLayerWrap::write_safetensors>("writeSafetensors")});
}

Napi::Value PreparedLayerWrap::contract(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), contract_name(native()->contract)); });
}

Napi::Value PreparedLayerWrap::threshold(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), native()->threshold); });
}

Napi::Value PreparedLayerWrap::tensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return TensorWrap::wrap_all(info.Env(), native()->parameters); });
}

Napi::Value PreparedLayerWrap::views(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return TensorWrap::wrap_all(info.Env(), native()->views); });
}

Napi::Value PreparedLayerWrap::byte_sets(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ByteSets sets = native()->byte_sets();
    Napi::Object out = Napi::Object::New(info.Env());
    const auto set = [&](const char* name, uint64_t bytes) { out.Set(name, Napi::Number::New(info.Env(), static_cast<double>(bytes))); };
    set("fp4", sets.fp4);
    set("b12xScales", sets.b12x_scales);
    set("cutlassScales", sets.cutlass_scales);
    set("multipliers", sets.multipliers);
    return out;
  });
}

Napi::Value PreparedLayerWrap::rearrange(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    return AsyncTask<Layer>::start(
        info.Env(), {},
        [layer = native(), permutation = to_vector<int32_t>(info[0], "permutation"), leave_out = names_argument(info[1], "leaveOut")](const Task& task) {
          return moe::rearrange(*layer, permutation, leave_out, task);
        },
        wrap_layer);
  });
}

Napi::Value PreparedLayerWrap::write_safetensors(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    return AsyncTask<bool>::start(
        info.Env(), TaskHooks::from(info.Env(), info[1]),
        [layer = native(), path = to_text(info[0], "path")](const Task& task) {
          moe::write_safetensors(path, layer->parameters, {{"contract", contract_name(layer->contract)}, {"cutlass_prefill_threshold", std::to_string(layer->threshold)}}, task);
          return true;
        },
        [](Napi::Env env, bool&) { return env.Undefined(); });
  });
}

void init_prepared_layer(Napi::Env env, Napi::Object exports) {
  AddonData::of(env).prepared_layer = Napi::Persistent(PreparedLayerWrap::define(env));
  exports.Set("prepareLayer", Napi::Function::New(env, prepare_layer, "prepareLayer"));
}

}  // namespace moe::addon
