// blockCensus() and layoutEvidence().
#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/tensor_wrap.h"
#include "core/hazards/block_census.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxRow = 1LL << 40;

struct Rows {
  int64_t row0, rows;
};
Rows rows_of(const Napi::Value& value) {
  const Fields fields(value, "range");
  return {fields.integer("row0", 0, kMaxRow), fields.integer("rows", 1, kMaxRow)};
}

/// Counts of one kind, plane after plane.
template <class Pick>
Napi::Value counts_array(Napi::Env env, const std::vector<BlockCensus>& planes, size_t width, Pick pick) {
  auto array = Napi::Float64Array::New(env, planes.size() * width);
  double* at = array.Data();
  for (const BlockCensus& plane : planes) {
    for (const uint64_t count : pick(plane)) *at++ = static_cast<double>(count);
  }
  return array;
}

Napi::Value block_census_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using Planes = std::vector<BlockCensus>;
    const auto codes = absent(info[1]) ? nullptr : TensorWrap::native_of(info[1], "codes");
    return AsyncTask<Planes>::start(
        info.Env(), TaskHooks::from(info.Env(), info[3]),
        [scales = TensorWrap::native_of(info[0], "scales"), codes, range = rows_of(info[2])](const Task& task) { return block_census(*scales, codes.get(), range.row0, range.rows, task); },
        [](Napi::Env env, Planes& planes) {
          Napi::Object out = Napi::Object::New(env);
          out.Set("blocks", counts_array(env, planes, 256 * 8, [](const BlockCensus& plane) -> const auto& { return plane.blocks; }));
          out.Set("energy", counts_array(env, planes, 256, [](const BlockCensus& plane) -> const auto& { return plane.energy; }));
          return out;
        });
  });
}

Napi::Value layout_evidence_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using Planes = std::vector<LayoutEvidence>;
    return AsyncTask<Planes>::start(
        info.Env(), TaskHooks::from(info.Env(), info[2]),
        [scales = TensorWrap::native_of(info[0], "scales"), range = rows_of(info[1])](const Task& task) { return layout_evidence(*scales, range.row0, range.rows, task); },
        [](Napi::Env env, Planes& planes) {
          Napi::Array out = Napi::Array::New(env, planes.size());
          for (size_t i = 0; i < planes.size(); ++i) {
            Napi::Object row = Napi::Object::New(env);
            row.Set("linear", Napi::Number::New(env, planes[i].linear));
            row.Set("tiled", Napi::Number::New(env, planes[i].tiled));
            row.Set("chance", Napi::Number::New(env, planes[i].chance));
            out.Set(static_cast<uint32_t>(i), row);
          }
          return out;
        });
  });
}

}  // namespace

void init_hazards(Napi::Env env, Napi::Object exports) {
  exports.Set("blockCensus", Napi::Function::New(env, block_census_binding, "blockCensus"));
  exports.Set("layoutEvidence", Napi::Function::New(env, layout_evidence_binding, "layoutEvidence"));
}

}  // namespace moe::addon
