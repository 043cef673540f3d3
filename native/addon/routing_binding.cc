// route() and routingStats().
#include "addon/arguments.h"
#include "addon/init.h"
#include "core/routing/router.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxTokens = 1LL << 24;
constexpr int64_t kMaxExperts = 1LL << 16;

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
    const int tile_m = static_cast<int>(to_integer(info[2], "tileM", 0, 1 << 20));
    const RoutingStats stats = routing_stats(ids.data(), static_cast<int64_t>(ids.size()), experts, tile_m);
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("rowsPerExpert", from_vector(info.Env(), stats.rows_per_expert));
    out.Set("unique", Napi::Number::New(info.Env(), static_cast<double>(stats.unique)));
    out.Set("paddedRows", Napi::Number::New(info.Env(), static_cast<double>(stats.padded_rows)));
    out.Set("maxRows", Napi::Number::New(info.Env(), stats.max_rows));
    return out;
  });
}

}  // namespace

void init_routing(Napi::Env env, Napi::Object exports) {
  exports.Set("route", Napi::Function::New(env, route_binding, "route"));
  exports.Set("routingStats", Napi::Function::New(env, routing_stats_binding, "routingStats"));
}

}  // namespace moe::addon
