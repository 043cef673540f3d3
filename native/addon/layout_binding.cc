// searchLayout(): every order of a raw block-scale tensor, ranked.
#include <memory>

#include "addon/async_task.h"
#include "addon/init.h"
#include "addon/tensor_wrap.h"
#include "core/layout_search/search.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxExtent = 1LL << 40;

/// Tensors of a question, kept alive while it is worked on.
struct Asked {
  LayoutQuestion question;
  std::shared_ptr<const Tensor> scales, codes, weights, x, y;
};

std::shared_ptr<const Tensor> optional_tensor(const Fields& fields, const char* key) {
  return fields.has(key) ? TensorWrap::native_of(fields.value(key), key) : nullptr;
}

Asked asked_of(const Napi::Value& value) {
  const Fields fields(value, "question");
  Asked asked;
  asked.scales = TensorWrap::native_of(fields.value("scales"), "question.scales");
  asked.codes = optional_tensor(fields, "codes");
  asked.weights = optional_tensor(fields, "weights");
  asked.x = optional_tensor(fields, "x");
  asked.y = optional_tensor(fields, "y");
  LayoutQuestion& question = asked.question;
  question.planes = fields.integer("planes", 1, kMaxExtent);
  question.rows = fields.integer("rows", 1, kMaxExtent);
  question.columns = fields.integer("columns", 1, kMaxExtent);
  question.gated = fields.flag("gated");
  question.plane = fields.has("plane") ? fields.integer("plane", 0, kMaxExtent) : 0;
  question.scales = asked.scales.get();
  question.codes = asked.codes.get();
  question.weights = asked.weights.get();
  question.x = asked.x.get();
  question.y = asked.y.get();
  return asked;
}

Napi::Object candidate_object(Napi::Env env, const ScoredLayout& scored) {
  Napi::Object out = Napi::Object::New(env);
  const auto number = [&](const char* name, double value) { out.Set(name, Napi::Number::New(env, value)); };
  out.Set("order", scale_order_name(scored.candidate.order));
  out.Set("padded", Napi::Boolean::New(env, scored.candidate.padded));
  out.Set("halves", halves_name(scored.candidate.halves));
  out.Set("nibbles", scored.candidate.high_first ? "high-first" : "low-first");
  out.Set("possible", Napi::Boolean::New(env, scored.candidate.possible));
  number("bytes", static_cast<double>(scored.candidate.bytes));
  number("logLikelihood", scored.log_likelihood);
  number("probability", scored.probability);
  number("coupling", scored.coupling);
  number("rowShare", scored.row_share);
  number("nrmse", scored.nrmse);
  number("sameAs", scored.same_as);
  return out;
}

Napi::Value search_object(Napi::Env env, const LayoutSearch& found) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("evidence", evidence_name(found.evidence));
  out.Set("blocks", Napi::Number::New(env, static_cast<double>(found.blocks)));
  out.Set("confidence", Napi::Number::New(env, found.confidence));
  out.Set("explained", Napi::Boolean::New(env, found.explained));
  Napi::Array candidates = Napi::Array::New(env, found.ranked.size());
  for (size_t i = 0; i < found.ranked.size(); ++i) candidates.Set(static_cast<uint32_t>(i), candidate_object(env, found.ranked[i]));
  out.Set("candidates", candidates);
  return out;
}

Napi::Value search_binding(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    return AsyncTask<LayoutSearch>::start(
        info.Env(), TaskHooks::from(info.Env(), info[1]), [asked = asked_of(info[0])](const Task& task) { return search_layout(asked.question, task); },
        [](Napi::Env env, LayoutSearch& found) { return search_object(env, found); });
  });
}

}  // namespace

void init_layout_search(Napi::Env env, Napi::Object exports) { exports.Set("searchLayout", Napi::Function::New(env, search_binding, "searchLayout")); }

}  // namespace moe::addon
