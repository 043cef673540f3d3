#include "addon/load_history_wrap.h"

#include "addon/async_task.h"

namespace moe::addon {

namespace {

constexpr int64_t kMaxExperts = 1LL << 16;
constexpr int64_t kMaxBatches = 1LL << 40;
constexpr int64_t kMaxPixels = 4096;

Napi::Value window_object(Napi::Env env, const LoadWindow& window) {
  Napi::Object out = Napi::Object::New(env);
  const auto set = [&](const char* name, int64_t value) { out.Set(name, Napi::Number::New(env, static_cast<double>(value))); };
  set("first", window.first);
  set("last", window.last);
  set("columns", window.columns);
  set("rows", window.rows);
  set("expertsPerRow", window.experts_per_row);
  set("exactFrom", window.exact_from);
  out.Set("load", from_vector(env, window.load));
  out.Set("unique", from_vector(env, window.unique));
  out.Set("expectedUnique", from_vector(env, window.expected));
  out.Set("imbalance", from_vector(env, window.imbalance));
  out.Set("paddingShare", from_vector(env, window.padding));
  return out;
}

}  // namespace

Napi::Function LoadHistoryWrap::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceAccessor<&LoadHistoryWrap::size>("size"), InstanceAccessor<&LoadHistoryWrap::bytes>("bytes"),
                      InstanceMethod<&LoadHistoryWrap::append>("append"), InstanceMethod<&LoadHistoryWrap::window>("window")});
}

Napi::Value LoadHistoryWrap::create(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto experts = static_cast<int32_t>(to_integer(info[0], "experts", 1, kMaxExperts));
    const auto top_k = static_cast<int32_t>(to_integer(info[1], "topK", 1, kMaxExperts));
    const int64_t exact = absent(info[2]) ? LoadHistory::kExactBytes : to_integer(info[2], "exactBytes", 0, int64_t{1} << 40);
    return wrap(info.Env(), std::make_shared<LoadHistory>(experts, top_k, exact));
  });
}

Napi::Value LoadHistoryWrap::size(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(native()->size())); });
}

Napi::Value LoadHistoryWrap::bytes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(native()->bytes())); });
}

Napi::Value LoadHistoryWrap::append(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto tile_m = static_cast<int32_t>(to_integer(info[1], "tileM", 0, int64_t{1} << 20));
    if (info[0].IsNull()) native()->append(nullptr, tile_m);
    else native()->append(to_vector<int32_t>(info[0], "rowsPerExpert", native()->experts()).data(), tile_m);
    return info.Env().Undefined();
  });
}

Napi::Value LoadHistoryWrap::window(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[0], "request");
    const int64_t first = fields.integer("first", -kMaxBatches, kMaxBatches);
    const int64_t last = fields.integer("last", -kMaxBatches, kMaxBatches);
    const auto columns = static_cast<int32_t>(fields.integer("columns", 1, kMaxPixels));
    const auto rows = static_cast<int32_t>(fields.integer("rows", 1, kMaxPixels));
    return AsyncTask<LoadWindow>::start(
        info.Env(), {}, [history = native(), first, last, columns, rows](const Task&) { return history->window(first, last, columns, rows); },
        [](Napi::Env env, LoadWindow& window) { return window_object(env, window); });
  });
}

}  // namespace moe::addon
