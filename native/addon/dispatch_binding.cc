// decide(): the dispatch policy.
#include "addon/arguments.h"
#include "addon/init.h"
#include "core/dispatch/decide.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxSize = 1LL << 30;

int size_field(const Fields& fields, const char* key) { return static_cast<int>(fields.integer(key, 0, kMaxSize)); }

Origin origin_argument(const Napi::Value& value, const std::string& where) {
  const Fields fields(value, where);
  return {fields.text("kind"), fields.text("where")};
}

/// Calls read(fields of entry) for each entry of an array of objects; an absent array has none.
template <class Read>
void for_each_entry(const Fields& fields, const char* key, const Read& read) {
  if (!fields.has(key)) return;
  const Napi::Value value = fields.value(key);
  if (!value.IsArray()) throw_usage(fields.path(key), "an array", describe(value));
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) read(Fields(array.Get(i), fields.path(key) + "[" + std::to_string(i) + "]"));
}

std::vector<ClusterRule> cluster_rules(const Fields& fields, const char* key) {
  std::vector<ClusterRule> rules;
  for_each_entry(fields, key, [&](const Fields& rule) { rules.push_back({size_field(rule, "maxRoutedPairs"), size_field(rule, "clusters")}); });
  return rules;
}

RuleLimits limits_argument(const Napi::Value& value, const std::string& where) {
  const Fields fields(value, where);
  RuleLimits limits;
  limits.id = fields.text("id");
  limits.direct_micro_max_tokens = size_field(fields, "directMicroMaxTokens");
  limits.direct_micro_max_routed_pairs = size_field(fields, "directMicroMaxRoutedPairs");
  limits.direct_micro_max_intermediate = size_field(fields, "directMicroMaxIntermediate");
  limits.direct_micro_max_hidden = size_field(fields, "directMicroMaxHidden");
  limits.direct_micro_max_top_k = size_field(fields, "directMicroMaxTopK");
  limits.micro_max_tokens = size_field(fields, "microMaxTokens");
  limits.micro_max_routed_pairs = size_field(fields, "microMaxRoutedPairs");
  limits.micro_max_routed_pairs_top_k1 = size_field(fields, "microMaxRoutedPairsTopK1");
  limits.static_max_routed_pairs = size_field(fields, "staticMaxRoutedPairs");
  for_each_entry(fields, "dynamicTileM", [&](const Fields& rule) { limits.dynamic_tile_m.push_back({size_field(rule, "rowsPerExpertBelow"), size_field(rule, "tileM")}); });
  limits.dynamic_tile_m_default = size_field(fields, "dynamicTileMDefault");
  limits.dynamic_tile_m_non_gated = size_field(fields, "dynamicTileMNonGated");
  limits.intermediate_tile = size_field(fields, "intermediateTile");
  limits.micro_clusters = cluster_rules(fields, "microClusters");
  limits.static_clusters = cluster_rules(fields, "staticClusters");
  limits.dynamic_clusters = cluster_rules(fields, "dynamicClusters");
  return limits;
}

std::map<std::string, Origin> origins_argument(const Napi::Value& value, const std::string& where) {
  std::map<std::string, Origin> origins;
  const Napi::Object object = to_object(value, where);
  const Napi::Array keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    origins[key] = origin_argument(object.Get(key), where + "." + key);
  }
  return origins;
}

DecideRequest request_argument(const Napi::Value& value) {
  static constexpr const char* kForce[] = {"auto", "b12x", "cutlass", "reference"};
  const Fields fields(value, "request");
  DecideRequest request;
  request.tokens = size_field(fields, "tokens");
  request.top_k = size_field(fields, "topK");
  request.experts = size_field(fields, "experts");
  request.hidden = size_field(fields, "hidden");
  request.intermediate = size_field(fields, "intermediate");
  request.gated = fields.flag("gated");
  request.threshold = size_field(fields, "threshold");
  request.threshold_origin = origin_argument(fields.value("thresholdOrigin"), fields.path("thresholdOrigin"));
  request.force = static_cast<ForcedPath>(to_choice(fields.value("force"), fields.path("force"), kForce));
  request.limits = limits_argument(fields.value("limits"), fields.path("limits"));
  request.origins = origins_argument(fields.value("origins"), fields.path("origins"));
  if (fields.has("smCount")) request.sm_count = size_field(fields, "smCount");
  if (fields.has("idleSms")) request.idle_sms = size_field(fields, "idleSms");
  return request;
}

Napi::Value step_value(Napi::Env env, const StepValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return Napi::Number::New(env, *number);
  if (const auto* text = std::get_if<std::string>(&value)) return Napi::String::New(env, *text);
  return Napi::Boolean::New(env, std::get<bool>(value));
}

Napi::Object step_object(Napi::Env env, const DecisionStep& step) {
  Napi::Object origin = Napi::Object::New(env);
  origin.Set("kind", step.origin.kind);
  origin.Set("where", step.origin.where);
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", step.name);
  out.Set("value", step_value(env, step.value));
  out.Set("comparison", step.comparison);
  out.Set("limit", step_value(env, step.limit));
  out.Set("unit", step.unit);
  out.Set("outcome", Napi::Boolean::New(env, step.outcome));
  out.Set("leads", step.leads);
  out.Set("origin", origin);
  return out;
}

Napi::Value decide_binding(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const Decision decision = decide(request_argument(info[0]));
    Napi::Array steps = Napi::Array::New(env, decision.steps.size());
    for (size_t i = 0; i < decision.steps.size(); ++i) steps.Set(static_cast<uint32_t>(i), step_object(env, decision.steps[i]));
    Napi::Object out = Napi::Object::New(env);
    out.Set("path", path_name(decision.path));
    out.Set("kernel", kernel_name(decision.kernel));
    out.Set("tileM", Napi::Number::New(env, decision.tile_m));
    out.Set("tileN", Napi::Number::New(env, decision.tile_n));
    out.Set("tokens", Napi::Number::New(env, decision.tokens));
    out.Set("routedPairs", Napi::Number::New(env, decision.routed_pairs));
    out.Set("threshold", Napi::Number::New(env, decision.threshold));
    out.Set("rules", decision.rules);
    out.Set("steps", steps);
    return out;
  });
}

}  // namespace

void init_dispatch(Napi::Env env, Napi::Object exports) { exports.Set("decide", Napi::Function::New(env, decide_binding, "decide")); }

}  // namespace moe::addon
