// route(), routingStats(), and how evenly a batch spreads: balance(), uniformBalance(), expectedUnique().
#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/load_history_wrap.h"
#include "core/routing/balance.h"
#include "core/routing/router.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxTokens = 1LL << 24;
constexpr int64_t kMaxExperts = 1LL << 16;
constexpr int64_t kMaxTileM = 1LL << 20;
constexpr int64_t kMaxDraws = 1LL << 16;

Napi::Value route_binding(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    static constexpr const char* kScoring[] = {"softmax", "sigmoid"};
    const Fields fields(info[0], "request");
    RouteRequest request;
    request.tokens = fields.integer("tokens", 0, kMaxTokens);
    request.experts = static_cast<int>(fields.integer("experts", 1, kMaxExperts));
    request.top_k = static_cast<int>(fields.integer("topK", 0, kMaxExperts));
    request.scoring = static_cast<Scoring>(to_choice(fields.value("scoring"), fields.path("scoring"), kScoring));
    request.renormalize = fields.flag("renormalize");
    request.scale = static_cast<float>(fields.number("scale"));
    request.groups = static_cast<int>(fields.integer("groups", 0, kMaxExperts));
    request.top_groups = static_cast<int>(fields.integer("topGroups", 0, kMaxExperts));
    const std::vector<float> logits = fields.vector<float>("logits", request.tokens * request.experts);
    std::vector<float> bias;
    if (fields.has("bias")) bias = fields.vector<float>("bias", request.experts);
    request.logits = logits.data();
    request.bias = bias.empty() ? nullptr : bias.data();
    const Routing routing = route(request);
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("topkIds", from_vector(info.Env(), routing.ids));
    out.Set("topkWeights", from_vector(info.Env(), routing.weights));
    return out;
  });
}

Napi::Value routing_stats_binding(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::vector<int32_t> ids = to_vector<int32_t>(info[0], "topkIds");
    const int experts = static_cast<int>(to_integer(info[1], "experts", 1, kMaxExperts));
    const int tile_m = static_cast<int>(to_integer(info[2], "tileM", 0, kMaxTileM));
    const RoutingStats stats = routing_stats(ids.data(), static_cast<int64_t>(ids.size()), experts, tile_m);
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("rowsPerExpert", from_vector(info.Env(), stats.rows_per_expert));
    out.Set("unique", Napi::Number::New(info.Env(), static_cast<double>(stats.unique)));
    out.Set("paddedRows", Napi::Number::New(info.Env(), static_cast<double>(stats.padded_rows)));
    out.Set("maxRows", Napi::Number::New(info.Env(), stats.max_rows));
    return out;
  });
}

Napi::Object balance_object(Napi::Env env, const Balance& balance) {
  Napi::Object out = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { out.Set(name, Napi::Number::New(env, value)); };
  set("unique", balance.unique);
  set("paddedRows", balance.padded_rows);
  set("imbalance", balance.imbalance);
  set("variation", balance.variation);
  set("gini", balance.gini);
  return out;
}

Napi::Value balance_binding(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::vector<int32_t> rows = to_vector<int32_t>(info[0], "rowsPerExpert");
    const auto tile_m = static_cast<int32_t>(to_integer(info[1], "tileM", 0, kMaxTileM));
    return balance_object(info.Env(), balance_of(rows.data(), static_cast<int32_t>(rows.size()), tile_m));
  });
}

Napi::Value uniform_balance_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[0], "request");
    UniformRequest request;
    request.experts = static_cast<int32_t>(fields.integer("experts", 1, kMaxExperts));
    request.top_k = static_cast<int32_t>(fields.integer("topK", 0, kMaxExperts));
    request.tile_m = static_cast<int32_t>(fields.integer("tileM", 0, kMaxTileM));
    request.tokens = fields.integer("tokens", 0, kMaxTokens);
    request.draws = static_cast<int32_t>(fields.integer("draws", 0, kMaxDraws));
    request.seed = to_u64(fields.value("seed"), fields.path("seed"));
    return AsyncTask<Balance>::start(
        info.Env(), TaskHooks::from(info.Env(), info[1]), [request](const Task& task) { return uniform_balance(request, task); },
        [](Napi::Env env, Balance& balance) -> Napi::Value { return balance_object(env, balance); });
  });
}

Napi::Value expected_unique_binding(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto experts = static_cast<int32_t>(to_integer(info[0], "experts", 1, kMaxExperts));
    const auto top_k = static_cast<int32_t>(to_integer(info[1], "topK", 0, kMaxExperts));
    return Napi::Number::New(info.Env(), expected_unique(experts, top_k, to_integer(info[2], "tokens", 0, kMaxTokens)));
  });
}

}  // namespace

void init_routing(Napi::Env env, Napi::Object exports) {
  exports.Set("route", Napi::Function::New(env, route_binding, "route"));
  exports.Set("routingStats", Napi::Function::New(env, routing_stats_binding, "routingStats"));
  exports.Set("balance", Napi::Function::New(env, balance_binding, "balance"));
  exports.Set("uniformBalance", Napi::Function::New(env, uniform_balance_binding, "uniformBalance"));
  exports.Set("expectedUnique", Napi::Function::New(env, expected_unique_binding, "expectedUnique"));
  AddonData::of(env).load_history = Napi::Persistent(LoadHistoryWrap::define(env));
  exports.Set("createLoadHistory", Napi::Function::New(env, LoadHistoryWrap::create, "createLoadHistory"));
}

}  // namespace moe::addon
