// ProviderLayer.history() and .resumNoise(): looking into the arithmetic of the built-in providers.
#include "addon/async_task.h"
#include "addon/provider_binding.h"
#include "cpu/cpu_provider.h"
#include "reference/reference_provider.h"

namespace moe::addon {
namespace {

bool is_cpu(const ProviderLayer& layer) { return layer.provider().functions().create_layer == cpu::provider()->create_layer; }
bool is_reference(const ProviderLayer& layer) { return layer.provider().functions().create_layer == reference::provider()->create_layer; }

[[noreturn]] void throw_foreign(const ProviderLayer& layer, const char* what) {
  throw Error(code::kUnsupported, "provider " + layer.provider().name() + " does not show " + what, {{"remedy", std::string("run the batch on the provider cpu, whose arithmetic is known")}});
}

ElementHistory history_of(ProviderLayer& layer, const RunInput& input, const HistoryRequest& request, const Task& task) {
  if (!is_cpu(layer) && !is_reference(layer)) throw_foreign(layer, "its partial sums");
  ElementHistory out;
  layer.inspect(input, task, [&](moe_layer* native, const moe_batch& batch) {
    out = is_cpu(layer) ? cpu::element_history(native, batch, request)
                        : reference::element_history(native, batch, request);
  });
  return out;
}

Napi::Object dot_object(Napi::Env env, const DotHistory& dot) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("activationCodes", from_vector(env, dot.activation_codes));
  out.Set("activationSf", from_vector(env, dot.activation_sf));
  out.Set("weightCodes", from_vector(env, dot.weight_codes));
  out.Set("weightSf", from_vector(env, dot.weight_sf));
  out.Set("dot", from_vector(env, dot.dot));
  out.Set("term", from_vector(env, dot.term));
  out.Set("sum", from_vector(env, dot.sum));
  return out;
}

/// Builds one object of numbers after another.
class Numbers {
 public:
  explicit Numbers(Napi::Env env) : object(Napi::Object::New(env)), env_(env) {}
  template <class T>
  Numbers& set(const char* name, T value) {
    object.Set(name, Napi::Number::New(env_, static_cast<double>(value)));
    return *this;
  }
  Napi::Object object;

 private:
  Napi::Env env_;
};

template <class T, class Make>
Napi::Array array_of(Napi::Env env, const std::vector<T>& entries, const Make& make) {
  Napi::Array out = Napi::Array::New(env, entries.size());
  for (size_t i = 0; i < entries.size(); ++i) out.Set(static_cast<uint32_t>(i), make(entries[i]));
  return out;
}

Napi::Object slot_object(Napi::Env env, const SlotHistory& slot) {
  Napi::Object out = Numbers(env)
                         .set("slot", slot.slot)
                         .set("expert", slot.expert)
                         .set("weight", slot.weight)
                         .set("activationScale", slot.activation_scale)
                         .set("multiplier", slot.multiplier)
                         .set("fc2", slot.fc2)
                         .set("rowInExpert", slot.row_in_expert)
                         .object;
  out.Set("act", from_vector(env, slot.act));
  out.Set("dot", dot_object(env, slot.dot));
  out.Set("slices", array_of(env, slot.slices, [&](const SliceHistory& slice) {
            return Numbers(env).set("firstBlock", slice.first_block).set("blocks", slice.blocks).set("acc", slice.acc).set("scaled", slice.scaled).object;
          }));
  return out;
}

Napi::Object fc1_object(Napi::Env env, const Fc1History& fc1) {
  Napi::Object out = Numbers(env)
                         .set("slot", fc1.slot)
                         .set("element", fc1.element)
                         .set("activationScale", fc1.activation_scale)
                         .set("multiplier", fc1.multiplier)
                         .set("upValue", fc1.up_value)
                         .set("act", fc1.act)
                         .object;
  out.Set("x", from_vector(env, fc1.x));
  out.Set("up", dot_object(env, fc1.up));
  out.Set("gate", fc1.gate ? dot_object(env, *fc1.gate) : env.Null());
  out.Set("gateValue", fc1.gate ? Napi::Value(Napi::Number::New(env, fc1.gate_value)) : env.Null());
  return out;
}

Napi::Value history_object(Napi::Env env, ElementHistory& history) {
  Napi::Object out = Numbers(env).set("token", history.token).set("column", history.column).set("y", history.y).object;
  out.Set("reduction", history.reduction);
  out.Set("slots", array_of(env, history.slots, [&](const SlotHistory& slot) { return slot_object(env, slot); }));
  out.Set("additions", array_of(env, history.additions, [&](const Addition& step) {
            return Numbers(env).set("slot", step.slot).set("slice", step.slice).set("value", step.value).set("sum", step.sum).object;
          }));
  out.Set("fc1", history.fc1 ? Napi::Value(fc1_object(env, *history.fc1)) : env.Null());
  return out;
}

TaskHooks cancel_of(const Fields& fields) {
  TaskHooks hooks;
  hooks.cancel = CancelFlagWrap::flag_of(fields.value("cancel"), "request.cancel");
  return hooks;
}

Napi::Value stage_object(Napi::Env env, const ResumStage& stage) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("orders", from_vector(env, stage.orders));
  out.Set("fp64", Napi::Number::New(env, stage.fp64));
  return out;
}

}  // namespace

Napi::Value ProviderLayerWrap::history(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields run(info[0], "request");
    const Fields place(info[1], "place");
    HistoryRequest request;
    request.token = static_cast<int32_t>(place.integer("token", 0, 1 << 24));
    request.column = place.integer("column", 0, 1 << 24);
    if (place.has("slot")) {
      request.slot = static_cast<int32_t>(place.integer("slot", 0, 1 << 16));
      request.element = place.integer("element", 0, 1 << 24);
    }
    return AsyncTask<ElementHistory>::start(
        info.Env(), cancel_of(run), [layer = native(), input = run_argument(run), request](const Task& task) { return history_of(*layer, input, request, task); }, history_object);
  });
}

Napi::Value ProviderLayerWrap::resum_noise(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields run(info[0], "request");
    const Fields fields(info[1], "options");
    const ResumRequest request{fields.integer("tokens", 1, 4096), fields.integer("columns", 1, 4096), fields.integer("orders", 1, 1024), to_u64(fields.value("seed"), fields.path("seed"))};
    return AsyncTask<ResumNoise>::start(
        info.Env(), cancel_of(run),
        [layer = native(), input = run_argument(run), request](const Task& task) {
          if (!is_cpu(*layer)) throw_foreign(*layer, "its sums");
          ResumNoise out;
          layer->inspect(input, task, [&](moe_layer* native_layer, const moe_batch& batch) { out = cpu::resum_noise(native_layer, batch, request, task); });
          return out;
        },
        [](Napi::Env env, ResumNoise& noise) -> Napi::Value {
          Napi::Object out = Napi::Object::New(env);
          out.Set("fc1", stage_object(env, noise.fc1));
          out.Set("fc2", stage_object(env, noise.fc2));
          out.Set("output", stage_object(env, noise.output));
          out.Set("elements", Napi::Number::New(env, static_cast<double>(noise.elements)));
          return out;
        });
  });
}

}  // namespace moe::addon
