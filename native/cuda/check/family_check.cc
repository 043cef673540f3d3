#include "cuda/check/family_check.h"

#include <cmath>

#include "core/dispatch/decision.h"
#include "core/formats/bf16.h"
#include "cuda/check/family_run.h"
#include "cuda/check/reference.h"

namespace moe::cuda::checking {
namespace {

// Limits of root-mean-square errors over the reference's root mean square.
constexpr double kOneRounding = 0.005;  ///< the issue's bound; one rounding to bf16 is about 0.0017
constexpr double kFp32Sums = 1e-5;      ///< sums of up to 7168 terms in fp32, no bf16 rounding
/// b12x adds top_k * I / 128 contributions in bf16: the bound of FlashInfer #3407 for b12x against itself.
constexpr double kBf16Sums = 0.02;
/// Share of codes that near ties may move where rcp.approx is used: bf16 values under a scale of amax / 2688 sit on ties.
constexpr double kNearTies = 0.01;

double widen(float value) { return static_cast<double>(value); }
double widen(double value) { return value; }
double widen(uint16_t bits) { return static_cast<double>(bf16_decode(bits)); }

template <class Value, class Expected>
double nrmse(const std::vector<Value>& values, const std::vector<Expected>& expected) {
  if (values.size() != expected.size()) return NAN;
  double error = 0;
  double size = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double difference = widen(values[i]) - widen(expected[i]);
    error += difference * difference;
    size += widen(expected[i]) * widen(expected[i]);
  }
  return size > 0 ? std::sqrt(error / size) : std::sqrt(error);
}

template <class Value>
double count_different(const std::vector<Value>& values, const std::vector<Value>& expected) {
  if (values.size() != expected.size()) return NAN;
  double different = 0;
  for (size_t i = 0; i < values.size(); ++i) different += values[i] == expected[i] ? 0 : 1;
  return different;
}

HostQuantizer host_quantizer(const DeviceLayer& layer, const RunShape& shape) {
  if (shape.path == MOE_PATH_CUTLASS) return {Quantizer::kCutlassFast, false, false};
  switch (b12x::choose_arithmetic(layer, shape).quantizer) {
    case BlockQuantizer::kDirectMicro: return {Quantizer::kDirectMicro, true, true};
    case BlockQuantizer::kB12xExact: return {Quantizer::kB12xExact, false, true};
    default: return {Quantizer::kB12xFast, false, false};
  }
}

class Check {
 public:
  Check(const KernelFamily& family, const HostLayer& host, const HostBatch& batch, const DeviceLayer& layer, const RunShape& shape, Findings& findings)
      : family_(family.name()), host_(host), batch_(batch), layer_(layer), shape_(shape), findings_(findings),
        path_(shape.path == MOE_PATH_CUTLASS ? host.cutlass : host.b12x), quantizer_(host_quantizer(layer, shape)) {
    where_ = host.one.name + ", " + kernel_name(static_cast<moe_kernel>(shape.kernel));
    if (shape.tile_m > 0) where_ += " " + std::to_string(shape.tile_m) + "x" + std::to_string(shape.tile_n);
  }

  void stages(const Tapped& tapped, bool shared_x) {
    quantized("x_q", compare_x(host_, path_, batch_, quantizer_, shared_x, tapped), tapped.x_q.size() * 2);

    const bool cutlass = shape_.path == MOE_PATH_CUTLASS;
    const Fc1Reference fc1 = reference_fc1(host_, path_, batch_, tapped, shared_x);
    add("fc1 NRMSE", nrmse(tapped.fc1, fc1.exact), cutlass ? kOneRounding : kFp32Sums);
    if (in_block_order()) add("fc1: sums not in block order", count_different(tapped.fc1, fc1.in_block_order), 0);

    add("act NRMSE", nrmse(tapped.act, reference_act(host_, tapped.fc1)), kOneRounding);
    quantized("act_q", compare_act(host_, path_, batch_, quantizer_, tapped), tapped.act_q.size() * 2);
  }

  /// FC2 and y; returns b12x's y in its own roundings, where the family has them.
  std::vector<uint16_t> outputs(const Tapped& tapped) {
    const b12x::Arithmetic arithmetic = b12x::choose_arithmetic(layer_, shape_);
    const Fc2Reference reference = reference_fc2(host_, path_, batch_, tapped, sums_in_bf16() ? &arithmetic : nullptr);
    add("fc2 NRMSE", nrmse(tapped.fc2, reference.fc2), kOneRounding);
    add(sums_in_bf16() ? "y NRMSE, summed in bf16" : "y NRMSE", nrmse(tapped.y, reference.y), sums_in_bf16() ? kBf16Sums : kOneRounding);
    if (sums_in_bf16()) add("y against b12x's roundings NRMSE", nrmse(tapped.y, reference.y_of_recipe), kOneRounding);
    if (in_block_order()) add("y: values that are not b12x's roundings", count_different(tapped.y, reference.y_of_recipe), 0);
    return reference.y_of_recipe;
  }

  void same(const std::string& measure, const std::vector<uint16_t>& y, const Tapped& tapped) { add(measure, count_different(y, tapped.y), 0); }

  void unordered(const std::vector<uint16_t>& y, const std::vector<uint16_t>& recipe) {
    if (sums_in_bf16()) add("y by atomics NRMSE", nrmse(y, recipe), kBf16Sums);
  }

 private:
  bool b12x_kernels() const { return family_ == "b12x-emulated" || family_ == "b12x-native"; }
  bool sums_in_bf16() const { return b12x_kernels() && shape_.kernel != MOE_KERNEL_DIRECT_MICRO; }
  bool in_block_order() const { return family_ == "b12x-emulated" && shape_.kernel != MOE_KERNEL_DIRECT_MICRO; }
  void quantized(const std::string& tensor, const BlockDifferences& differences, size_t codes) {
    add(tensor + ": codes and scales that no near tie explains", static_cast<double>(differences.wrong), 0);
    add(tensor + ": share of codes at near ties", static_cast<double>(differences.codes) / static_cast<double>(codes), quantizer_.exact ? 0 : kNearTies);
  }
  void add(const std::string& measure, double value, double limit) { findings_.add({family_, measure, where_, value, limit}); }

  std::string family_, where_;
  const HostLayer& host_;
  const HostBatch& batch_;
  const DeviceLayer& layer_;
  const RunShape& shape_;
  Findings& findings_;
  const HostPath& path_;
  HostQuantizer quantizer_;
};

}  // namespace

void check_family(const KernelFamily& family, const FamilyLayer* own, const HostLayer& host, const HostBatch& batch, const DeviceLayer& layer, const RunShape& shape, bool poison,
                  Findings& findings) {
  FamilyRun run(family, own, batch, layer, shape, poison);
  Check check(family, host, batch, layer, shape, findings);
  const Tapped tapped = run.tapped();
  check.stages(tapped, run.shared_x());
  const std::vector<uint16_t> recipe = check.outputs(tapped);
  for (int repeat = 0; repeat < host.one.repeats; ++repeat) check.same("y: values of untapped runs that differ from the tapped one", run.plain(), tapped);
  check.same("y: values of a replayed graph that differ from the tapped run", run.from_graph(), tapped);
  check.unordered(run.unordered(), recipe);
}

}  // namespace moe::cuda::checking
