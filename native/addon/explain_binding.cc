// causes(), attribute(), diagnose(), runDeviating() and possibleDeviations(): see electron/engine/native/explain-binding.ts.
#include <algorithm>

#include "addon/async_task.h"
#include "addon/cancel_flag.h"
#include "addon/init.h"
#include "addon/layer_wrap.h"
#include "addon/tensor_wrap.h"
#include "core/formats/bf16.h"
#include "core/metrics/tensor_values.h"
#include "explain/attribute.h"
#include "explain/diagnose.h"

namespace moe::addon {
namespace {

constexpr const char* kPaths[] = {"b12x", "cutlass"};
constexpr const char* kKernels[] = {"direct-micro", "micro", "static", "dynamic", "cutlass"};
constexpr const char* kStages[] = {"input", "fc1", "activation", "requantized", "fc2", "output"};

using Layer = std::shared_ptr<const CheckpointLayer>;

TaskHooks hooks_of(const Fields& fields) {
  TaskHooks hooks;
  hooks.cancel = CancelFlagWrap::flag_of(fields.value("cancel"), "request.cancel");
  return hooks;
}

RunInput batch_of(const Fields& fields) {
  RunInput input;
  input.tokens = static_cast<int32_t>(fields.integer("tokens", 1, 1 << 24));
  input.x = fields.vector<uint16_t>("x");
  input.topk_ids = fields.vector<int32_t>("topkIds");
  input.topk_weights = fields.vector<float>("topkWeights");
  return input;
}

Layer layer_of(const Fields& fields) { return CheckpointLayerWrap::native_of(fields.value("checkpoint"), fields.path("checkpoint")); }

/// A side's model: the contract of its own, or the request's.
explain::Spec spec_of(const Fields& fields, const Layer& layer, const char* key) {
  const Fields model(fields.value(key), fields.path(key));
  const moe_contract contract = contract_from_name(model.has("contract") ? model.text("contract") : fields.text("contract"));
  const auto path = static_cast<moe_path>(to_choice(model.value("path"), model.path("path"), kPaths));
  if (model.has("reference") && model.flag("reference")) return explain::exact(*layer, contract, path);
  return explain::documented(*layer, contract, path, to_choice(model.value("kernel"), model.path("kernel"), kKernels), static_cast<int32_t>(model.integer("tileM", 0, 1 << 20)),
                             static_cast<int32_t>(model.integer("tileN", 0, 1 << 20)));
}

explain::Cause cause_of(const Napi::Value& value, const std::string& where) {
  const std::string name = to_text(value, where);
  for (int32_t c = 0; c < explain::kCauses; ++c) {
    if (name == explain::cause_name(static_cast<explain::Cause>(c))) return static_cast<explain::Cause>(c);
  }
  throw_usage(where, "the name of a cause", "\"" + name + "\"");
}

explain::Spec deviated(const Fields& fields, const char* key, explain::Spec spec) {
  if (!fields.has(key)) return spec;
  const Napi::Value list = fields.value(key);
  if (!list.IsArray()) throw_usage(fields.path(key), "an array of deviations", describe(list));
  const auto array = list.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Fields one(array.Get(i), fields.path(key) + "[" + std::to_string(i) + "]");
    spec = explain::deviate(spec, {cause_of(one.value("cause"), one.path("cause")), static_cast<int>(one.integer("site", 0, 1)), static_cast<int>(one.integer("variant", 0, 2))});
  }
  return spec;
}

Napi::Object deviation_object(Napi::Env env, const explain::Deviation& deviation) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("cause", explain::cause_name(deviation.cause));
  out.Set("site", Napi::Number::New(env, deviation.site));
  out.Set("variant", Napi::Number::New(env, deviation.variant));
  return out;
}

Napi::Object attribution_object(Napi::Env env, const explain::Attribution& attribution) {
  const auto number = [&](double value) { return Napi::Number::New(env, value); };
  Napi::Array causes = Napi::Array::New(env, attribution.causes.size());
  for (uint32_t i = 0; i < attribution.causes.size(); ++i) {
    const explain::CauseShare& share = attribution.causes[i];
    Napi::Object cause = Napi::Object::New(env);
    cause.Set("id", explain::cause_name(share.cause));
    cause.Set("share", number(share.share));
    Napi::Array interval = Napi::Array::New(env, 2);
    interval.Set(0U, number(share.interval[0]));
    interval.Set(1U, number(share.interval[1]));
    cause.Set("interval", interval);
    cause.Set("nrmseAlone", number(share.nrmse_alone));
    causes.Set(i, cause);
  }
  Napi::Object total = Napi::Object::New(env);
  total.Set("energy", number(attribution.energy));
  total.Set("nrmse", number(attribution.nrmse));
  Napi::Object out = Napi::Object::New(env);
  out.Set("causes", causes);
  out.Set("interaction", number(attribution.interaction));
  out.Set("rest", number(attribution.rest));
  out.Set("total", total);
  return out;
}

Napi::Value attribute_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[0], "request");
    const Layer layer = layer_of(fields);
    explain::AttributionRequest request;
    request.a = deviated(fields, "deviations", spec_of(fields, layer, "a"));
    request.b = deviated(fields, "deviationsB", spec_of(fields, layer, "b"));
    if (fields.has("observedA")) request.observed_a = *TensorWrap::native_of(fields.value("observedA"), fields.path("observedA"));
    if (fields.has("observedB")) request.observed_b = *TensorWrap::native_of(fields.value("observedB"), fields.path("observedB"));
    request.seed = to_u64(fields.value("seed"), fields.path("seed"));
    request.resamples = static_cast<int>(fields.integer("resamples", 0, 100000));
    return AsyncTask<explain::Attribution>::start(
        info.Env(), hooks_of(fields), [layer, input = batch_of(fields), request](const Task& task) { return explain::attribute(explain::Model(layer), input, request, task); }, attribution_object);
  });
}

using Observed = std::vector<std::pair<std::string, std::shared_ptr<const Tensor>>>;

/// Reads the tensors that were observed; called on the worker thread.
explain::Observation observation_of(const Observed& observed) {
  const auto find = [&](const std::string& name) -> const Tensor* {
    const auto at = std::find_if(observed.begin(), observed.end(), [&](const auto& entry) { return entry.first == name; });
    return at == observed.end() ? nullptr : at->second.get();
  };
  const auto values = [&](const char* name) -> std::optional<std::vector<float>> {
    const Tensor* tensor = find(name);
    if (tensor == nullptr) return std::nullopt;
    std::vector<double> wide(static_cast<size_t>(tensor->planes() * tensor->rows * tensor->columns));
    value_reader(*tensor)(0, static_cast<int64_t>(wide.size()), wide.data());
    return std::vector<float>(wide.begin(), wide.end());
  };
  const auto quantized = [&](const std::string& codes, const std::string& scales) -> std::optional<explain::Quantized> {
    const Tensor* packed = find(codes);
    const Tensor* sf = find(scales);
    if (packed == nullptr || sf == nullptr) return std::nullopt;
    for (const Tensor* tensor : {packed, sf}) tensor->backing->ensure_readable();
    if (packed->bytes != sf->bytes * 8) throw Error(code::kWrongShape, codes + " and " + scales + " do not fit each other", {{"subject", scales}});
    return explain::Quantized{sf->rows, sf->columns * 16, {packed->data, packed->data + packed->bytes}, {sf->data, sf->data + sf->bytes}};
  };
  explain::Observation out{quantized("x_q", "x_sf"), values("fc1"), values("act"), quantized("act_q", "act_sf"), values("fc2"), std::nullopt};
  if (const auto y = values("y")) {
    out.y.emplace(y->size());
    std::transform(y->begin(), y->end(), out.y->begin(), [](float value) { return bf16_encode(value); });
  }
  return out;
}

Napi::Object diagnosis_object(Napi::Env env, const explain::Diagnosis& diagnosis) {
  Napi::Array deviations = Napi::Array::New(env, diagnosis.deviations.size());
  for (uint32_t i = 0; i < diagnosis.deviations.size(); ++i) {
    const explain::NamedDeviation& named = diagnosis.deviations[i];
    Napi::Object out = deviation_object(env, named.deviation);
    Napi::Array alternatives = Napi::Array::New(env, named.alternatives.size());
    for (uint32_t other = 0; other < named.alternatives.size(); ++other) alternatives.Set(other, deviation_object(env, named.alternatives[other]));
    out.Set("alternatives", alternatives);
    out.Set("stage", kStages[static_cast<size_t>(named.stage)]);
    out.Set("explained", Napi::Number::New(env, named.explained));
    deviations.Set(i, out);
  }
  Napi::Array segments = Napi::Array::New(env, diagnosis.segments.size());
  for (uint32_t i = 0; i < diagnosis.segments.size(); ++i) {
    const explain::SegmentReport& segment = diagnosis.segments[i];
    Napi::Object out = Napi::Object::New(env);
    out.Set("stage", kStages[static_cast<size_t>(segment.stage)]);
    out.Set("compared", Napi::Number::New(env, static_cast<double>(segment.compared)));
    out.Set("mismatchBefore", Napi::Number::New(env, segment.mismatch_before));
    out.Set("mismatchAfter", Napi::Number::New(env, segment.mismatch_after));
    out.Set("floor", Napi::Number::New(env, segment.floor));
    segments.Set(i, out);
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("deviations", deviations);
  out.Set("segments", segments);
  return out;
}

Napi::Value diagnose_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[0], "request");
    const Layer layer = layer_of(fields);
    const Napi::Object tensors = to_object(fields.value("observed"), fields.path("observed"));
    Observed observed;
    const Napi::Array names = tensors.GetPropertyNames();
    for (uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).As<Napi::String>();
      observed.emplace_back(name, TensorWrap::native_of(tensors.Get(name), fields.path("observed") + "." + name));
    }
    const uint64_t seed = to_u64(fields.value("seed"), fields.path("seed"));
    return AsyncTask<explain::Diagnosis>::start(
        info.Env(), hooks_of(fields),
        [layer, input = batch_of(fields), spec = spec_of(fields, layer, "model"), observed, seed](const Task& task) {
          return explain::diagnose(explain::Model(layer), input, spec, observation_of(observed), seed, task);
        },
        diagnosis_object);
  });
}

template <class T>
Tensor tensor_of(const char* name, DType dtype, Layout layout, std::vector<int64_t> shape, const std::vector<T>& values) {
  NewTensor out = new_tensor(name, dtype, layout, std::move(shape));
  std::copy_n(reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T), out.data);
  return out.tensor;
}

std::vector<Tensor> run_deviating(const Layer& layer, const RunInput& input, const explain::Spec& spec, uint64_t seed) {
  const explain::Model model(layer);
  model.check(input);
  const explain::StageOutputs out = model.run(spec, input, seed);
  const auto pairs = static_cast<int64_t>(input.topk_ids.size());
  const int64_t hidden = layer->shape.hidden;
  const int64_t intermediate = layer->shape.intermediate;
  return {tensor_of("y", DType::kBf16, Layout::kLinear, {input.tokens, hidden}, out.y),
          tensor_of("x_q", DType::kU8, Layout::kFp4, {input.tokens, hidden / 2}, out.x.packed),
          tensor_of("x_sf", DType::kF8E4m3, Layout::kLinear, {input.tokens, hidden / 16}, out.x.sf),
          tensor_of("fc1", DType::kF32, Layout::kLinear, {pairs, layer->shape.w13_rows()}, out.fc1),
          tensor_of("act", DType::kF32, Layout::kLinear, {pairs, intermediate}, out.act),
          tensor_of("act_q", DType::kU8, Layout::kFp4, {pairs, intermediate / 2}, out.act_q.packed),
          tensor_of("act_sf", DType::kF8E4m3, Layout::kLinear, {pairs, intermediate / 16}, out.act_q.sf),
          tensor_of("fc2", DType::kF32, Layout::kLinear, {pairs, hidden}, out.fc2)};
}

Napi::Value run_deviating_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[0], "request");
    const Layer layer = layer_of(fields);
    const explain::Spec spec = deviated(fields, "deviations", spec_of(fields, layer, "model"));
    const uint64_t seed = to_u64(fields.value("seed"), fields.path("seed"));
    return AsyncTask<std::vector<Tensor>>::start(
        info.Env(), hooks_of(fields), [layer, input = batch_of(fields), spec, seed](const Task&) { return run_deviating(layer, input, spec, seed); },
        [](Napi::Env env, std::vector<Tensor>& tensors) -> Napi::Value {
          Napi::Object named = Napi::Object::New(env);
          for (Tensor& tensor : tensors) {
            const std::string name = tensor.name;
            named.Set(name, TensorWrap::wrap_owned(env, std::move(tensor)));
          }
          Napi::Object out = Napi::Object::New(env);
          out.Set("tensors", named);
          return out;
        });
  });
}

Napi::Value causes_binding(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Napi::Array out = Napi::Array::New(info.Env(), explain::kCauses);
    for (int32_t c = 0; c < explain::kCauses; ++c) out.Set(static_cast<uint32_t>(c), explain::cause_name(static_cast<explain::Cause>(c)));
    return out;
  });
}

Napi::Value possible_deviations(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[0], "request");
    const Layer layer = layer_of(fields);
    const std::vector<explain::Deviation> deviations = explain::deviations_of(spec_of(fields, layer, "model"), layer->shape);
    Napi::Array out = Napi::Array::New(info.Env(), deviations.size());
    for (uint32_t i = 0; i < deviations.size(); ++i) out.Set(i, deviation_object(info.Env(), deviations[i]));
    return out;
  });
}

}  // namespace

void init_explain(Napi::Env env, Napi::Object exports) {
  exports.Set("causes", Napi::Function::New(env, causes_binding, "causes"));
  exports.Set("attribute", Napi::Function::New(env, attribute_binding, "attribute"));
  exports.Set("diagnose", Napi::Function::New(env, diagnose_binding, "diagnose"));
  exports.Set("runDeviating", Napi::Function::New(env, run_deviating_binding, "runDeviating"));
  exports.Set("possibleDeviations", Napi::Function::New(env, possible_deviations, "possibleDeviations"));
}

}  // namespace moe::addon
