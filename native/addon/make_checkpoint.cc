// makeProjection() and randomNormalBf16(): what make-checkpoint and the workload generator are made of.
#include <cmath>
#include <vector>

#include "addon/arguments.h"
#include "addon/async_task.h"
#include "addon/init.h"
#include "core/formats/bf16.h"
#include "core/quantize/projection.h"
#include "core/random/normal.h"

namespace moe::addon {
namespace {

constexpr int64_t kMaxElements = 1LL << 32;

Napi::Value make_projection_js(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    const Fields fields(info[0], "request");
    const int64_t rows = fields.integer("rows", 1, 1 << 24);
    const int64_t columns = fields.integer("columns", 1, 1 << 24);
    if (rows * columns > kMaxElements) throw_usage("request", "at most 2^32 elements", std::to_string(rows * columns));
    const uint64_t seed = to_u64(fields.value("seed"), fields.path("seed"));
    const double sigma = fields.number("sigma");
    const auto choice = static_cast<ScaleChoice>(to_choice(fields.value("scales"), fields.path("scales"), {"realistic", "power-of-two"}));
    return AsyncTask<Projection>::start(
        info.Env(), {}, [=](const Task& task) { return make_projection(rows, columns, seed, sigma, choice, task); },
        [](Napi::Env env, Projection& made) {
          Napi::Object out = Napi::Object::New(env);
          out.Set("packed", from_vector(env, made.packed));
          out.Set("scale", from_vector(env, made.scale));
          out.Set("s2", Napi::Number::New(env, static_cast<double>(made.s2)));
          return out;
        });
  });
}

Napi::Value random_normal_bf16(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    using Bits = std::vector<uint16_t>;
    const int64_t count = to_integer(info[0], "count", 0, 1LL << 30);
    const uint64_t seed = to_u64(info[1], "seed");
    const double sigma = to_number(info[2], "sigma");
    if (!std::isfinite(sigma) || sigma < 0) throw_usage("sigma", "finite and not negative", describe(info[2]));
    return AsyncTask<Bits>::start(
        info.Env(), {},
        [=](const Task& task) {
          Bits bits(static_cast<size_t>(count));
          constexpr int64_t kStep = 1 << 14;
          parallel_for((count + kStep - 1) / kStep, task, [&](int64_t step) {
            for (int64_t i = step * kStep; i < std::min(count, (step + 1) * kStep); ++i) {
              bits[static_cast<size_t>(i)] = bf16_encode(sigma * normal_at(static_cast<uint64_t>(i), seed));
            }
          });
          return bits;
        },
        [](Napi::Env env, Bits& bits) { return from_vector(env, bits); });
  });
}

}  // namespace

void init_make_checkpoint(Napi::Env env, Napi::Object exports) {
  exports.Set("makeProjection", Napi::Function::New(env, make_projection_js, "makeProjection"));
  exports.Set("randomNormalBf16", Napi::Function::New(env, random_normal_bf16, "randomNormalBf16"));
}

}  // namespace moe::addon
