// compare(), compareGroups(), compareCodes(), differenceTile(), ratioTile() and dequantize().
#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/tensor_wrap.h"
#include "core/metrics/groups.h"
#include "core/metrics/pair_tile.h"
#include "core/metrics/tensor_values.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxWorst = 4096;

Napi::Value comparison_object(Napi::Env env, const Comparison& comparison) {
  Napi::Object out = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { out.Set(name, Napi::Number::New(env, value)); };
  set("count", static_cast<double>(comparison.count));
  set("maxAbs", comparison.max_abs);
  set("maxAbsIndex", static_cast<double>(comparison.max_abs_index));
  set("nrmse", comparison.nrmse);
  set("relL2", comparison.nrmse);
  set("cosine", comparison.cosine);
  set("pcc", comparison.pcc);
  set("withinTolerance", comparison.within_tolerance);
  set("bestScale", comparison.best_scale);
  set("nanA", static_cast<double>(comparison.nan_a));
  set("nanB", static_cast<double>(comparison.nan_b));
  out.Set("ulpHistogram", from_vector(env, std::vector<double>(comparison.ulp_histogram.begin(), comparison.ulp_histogram.end())));
  Napi::Array worst = Napi::Array::New(env, comparison.worst.size());
  for (size_t i = 0; i < comparison.worst.size(); ++i) {
    Napi::Object element = Napi::Object::New(env);
    element.Set("index", Napi::Number::New(env, static_cast<double>(comparison.worst[i].index)));
    element.Set("a", Napi::Number::New(env, comparison.worst[i].a));
    element.Set("b", Napi::Number::New(env, comparison.worst[i].b));
    worst.Set(static_cast<uint32_t>(i), element);
  }
  out.Set("worst", worst);
  return out;
}

Napi::Value compare_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[2], "options");
    const CompareOptions options{fields.number("rtol"), fields.number("atol"), static_cast<int>(fields.integer("worst", 0, kMaxWorst))};
    return AsyncTask<Comparison>::start(
        info.Env(), {}, [a = TensorWrap::native_of(info[0], "a"), b = TensorWrap::native_of(info[1], "b"), options](const Task&) { return compare(*a, *b, options); },
        [](Napi::Env env, Comparison& comparison) { return comparison_object(env, comparison); });
  });
}

Napi::Value groups_array(Napi::Env env, std::vector<GroupComparison>& groups) {
  Napi::Array out = Napi::Array::New(env, groups.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    Napi::Object group = Napi::Object::New(env);
    group.Set("rows", Napi::Number::New(env, static_cast<double>(groups[i].rows)));
    group.Set("nrmse", Napi::Number::New(env, groups[i].nrmse));
    group.Set("bestScale", Napi::Number::New(env, groups[i].best_scale));
    group.Set("squaredError", Napi::Number::New(env, groups[i].difference_sq));
    out.Set(static_cast<uint32_t>(i), group);
  }
  return out;
}

Napi::Value compare_groups_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    return AsyncTask<std::vector<GroupComparison>>::start(
        info.Env(), {},
        [a = TensorWrap::native_of(info[0], "a"), b = TensorWrap::native_of(info[1], "b"), groups = to_vector<int32_t>(info[2], "groups"),
         count = static_cast<int32_t>(to_integer(info[3], "count", 0, 1 << 20))](const Task&) { return compare_groups(*a, *b, groups, count); },
        groups_array);
  });
}

Napi::Value compare_codes_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    return AsyncTask<CodeDifferences>::start(
        info.Env(), {}, [a = TensorWrap::native_of(info[0], "a"), b = TensorWrap::native_of(info[1], "b")](const Task&) { return compare_codes(*a, *b); },
        [](Napi::Env env, CodeDifferences& found) -> Napi::Value {
          Napi::Object out = Napi::Object::New(env);
          out.Set("elements", Napi::Number::New(env, static_cast<double>(found.elements)));
          out.Set("differing", Napi::Number::New(env, static_cast<double>(found.differing)));
          return out;
        });
  });
}

using PairTile = Tile (*)(const Tensor&, const Tensor&, const TileRequest&, const Task&);

template <PairTile Make>
Napi::Value pair_tile_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    return AsyncTask<Tile>::start(
        info.Env(), {},
        [a = TensorWrap::native_of(info[0], "a"), b = TensorWrap::native_of(info[1], "b"), request = tile_request(info[2], "request")](const Task& task) { return Make(*a, *b, request, task); },
        [](Napi::Env env, Tile& tile) { return tile_object(env, tile); });
  });
}

Napi::Value dequantize_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    return AsyncTask<Tensor>::start(
        info.Env(), {},
        [codes = TensorWrap::native_of(info[0], "codes"), scales = TensorWrap::native_of(info[1], "scales"), multiplier = static_cast<float>(to_number(info[2], "multiplier"))](const Task&) {
          return dequantize(*codes, *scales, multiplier);
        },
        [](Napi::Env env, Tensor& tensor) -> Napi::Value { return TensorWrap::wrap_owned(env, std::move(tensor)); });
  });
}

}  // namespace

void init_metrics(Napi::Env env, Napi::Object exports) {
  exports.Set("compare", Napi::Function::New(env, compare_binding, "compare"));
  exports.Set("compareGroups", Napi::Function::New(env, compare_groups_binding, "compareGroups"));
  exports.Set("compareCodes", Napi::Function::New(env, compare_codes_binding, "compareCodes"));
  exports.Set("differenceTile", Napi::Function::New(env, pair_tile_binding<difference_tile>, "differenceTile"));
  exports.Set("ratioTile", Napi::Function::New(env, pair_tile_binding<ratio_tile>, "ratioTile"));
  exports.Set("dequantize", Napi::Function::New(env, dequantize_binding, "dequantize"));
}

}  // namespace moe::addon
