// Times a random layer on the built-in cpu provider; or, with --kind read, how fast this machine reads memory.
// Usage: cpu_layer_bench --kind direct-micro|static|dynamic|cutlass|read [--tokens T] [--runs N] ...
#include <deque>
#include <memory>

#include "bench/workload.h"
#include "core/formats/bf16.h"
#include "core/layout/scale_layout.h"
#include "core/tensor/tensor.h"
#include "cpu/cpu_provider.h"
#include "provider.h"

namespace moe::bench {
namespace {

/// Random codes, block scales 0.25 .. 3.75, and multipliers that keep activations near 1: contract clean, threshold 1.
class RandomLayer {
 public:
  explicit RandomLayer(const Options& options) : o_(options), ones_(options.experts, 1.0F), small_(options.experts, 1.0F / 256) {
    Random random(7);
    weights(random, "w13", 2LL * o_.intermediate, o_.hidden);
    weights(random, "w2", o_.hidden, o_.intermediate);
    for (const char* name : {"input_global_scale", "fc2_input_scale", "w13_cutlass_a_gscale", "w2_cutlass_a_gscale"}) per_expert(name, ones_);
    for (const char* name : {"w13_weight_scale_2", "w2_weight_scale_2", "w13_cutlass_g_alphas", "w2_cutlass_g_alphas"}) per_expert(name, small_);
  }

  moe_layer_desc desc() const {
    moe_layer_desc out{};
    out.struct_size = sizeof out;
    out.hidden = o_.hidden;
    out.intermediate = o_.intermediate;
    out.experts = o_.experts;
    out.top_k = o_.top_k;
    out.gated = 1;
    out.activation = MOE_SILU;
    out.contract = MOE_CLEAN;
    out.threshold = 1;
    out.tensors = tensors_.data();
    out.tensor_count = static_cast<int32_t>(tensors_.size());
    return out;
  }

 private:
  /// In the memory that loaded layers live in.
  void weights(Random& random, const std::string& name, int64_t n, int64_t k) {
    const uint8_t* codes = make(random, o_.experts * n * (k / 2), 255, 0);
    add(name + "_weight", "fp4", MOE_U8, {o_.experts, n, k / 2}, codes, o_.experts * n * (k / 2));
    const int64_t bytes = o_.experts * Swizzled128x4(n, k / 16).bytes();
    const uint8_t* scales = make(random, bytes, 31, 0x28);
    for (const char* infix : {"_", "_cutlass_"}) add(name + infix + "weight_scale", "sf128x4", MOE_F8_E4M3, {o_.experts}, scales, bytes);
  }
  const uint8_t* make(Random& random, int64_t size, uint8_t mask, uint8_t base) {
    memory_.push_back(std::make_unique<HeapBacking>(static_cast<uint64_t>(size)));
    random.fill(memory_.back()->data(), static_cast<uint64_t>(size), mask, base);
    return memory_.back()->data();
  }
  void add(const std::string& name, const char* layout, moe_dtype dtype, const std::vector<int64_t>& shape, const void* data, int64_t bytes) {
    names_.push_back(name);
    moe_tensor out{names_.back().c_str(), layout, dtype, static_cast<int32_t>(shape.size()), {}, data, static_cast<uint64_t>(bytes)};
    std::copy(shape.begin(), shape.end(), out.shape);
    tensors_.push_back(out);
  }
  void per_expert(const char* name, const std::vector<float>& values) { add(name, "linear", MOE_F32, {o_.experts}, values.data(), static_cast<int64_t>(values.size() * sizeof(float))); }

  Options o_;
  std::vector<std::unique_ptr<HeapBacking>> memory_;
  std::deque<std::string> names_;
  std::vector<float> ones_, small_;
  std::vector<moe_tensor> tensors_;
};

/// Stages of all runs, added up, and the one output.
struct Results {
  std::vector<uint8_t> y;
  std::vector<std::pair<std::string, double>> stages;
  static void* tensor(void* context, const char*, int32_t, int32_t, const int64_t*, uint64_t bytes) {
    auto& y = static_cast<Results*>(context)->y;
    if (y.size() != bytes) y.resize(bytes);
    return y.data();
  }
  static void time(void* context, const moe_stage_time* time) {
    auto& stages = static_cast<Results*>(context)->stages;
    for (auto& [stage, us] : stages) {
      if (stage != time->stage) continue;
      us += time->microseconds;
      return;
    }
    stages.emplace_back(time->stage, time->microseconds);
  }
  static void workspace(void*, uint64_t) {}
};

void run_layer(const Options& options) {
  const moe_provider& provider = *cpu::provider();
  const auto require_ok = [&](moe_status status) {
    if (status == MOE_OK) return;
    std::fprintf(stderr, "%s\n", provider.last_error());
    std::exit(1);
  };
  const RandomLayer weights(options);
  const moe_layer_desc desc = weights.desc();
  moe_layer* layer = nullptr;
  require_ok(provider.create_layer(&desc, &layer));

  Random random(11);
  std::vector<uint16_t> x(static_cast<size_t>(options.tokens) * options.hidden);
  for (uint16_t& value : x) value = bf16_encode(random.uniform());
  const std::vector<float> router(static_cast<size_t>(options.tokens) * options.top_k, 1.0F / static_cast<float>(options.top_k));
  Results results;
  const moe_sink sink{&results, Results::tensor, Results::time, Results::workspace};
  moe_batch batch{};
  batch.struct_size = sizeof batch;
  batch.tokens = options.tokens;
  batch.x = x.data();
  batch.topk_weights = router.data();
  batch.path = options.kind == "cutlass" ? MOE_PATH_CUTLASS : MOE_PATH_B12X;
  batch.kernel = options.kind == "cutlass" ? MOE_KERNEL_CUTLASS
                 : options.kind == "direct-micro" ? MOE_KERNEL_DIRECT_MICRO
                 : options.kind == "dynamic" ? MOE_KERNEL_DYNAMIC : MOE_KERNEL_STATIC;
  batch.tile_m = batch.tile_n = batch.kernel == MOE_KERNEL_DIRECT_MICRO ? 0 : 128;
  batch.deterministic = 1;

  measure(options, "moescope", [&](const std::vector<int32_t>& ids) {
    batch.topk_ids = ids.data();
    require_ok(provider.run(layer, &batch, &sink));
  });
  for (const auto& [stage, us] : results.stages) std::fprintf(stderr, "%-10s %10.1f us\n", stage.c_str(), us / (options.runs + options.warmup));
  // FNV-1a of the last y: two builds or two SIMD levels that should give the same bits can be seen to.
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (const uint8_t byte : results.y) hash = (hash ^ byte) * 0x100000001B3ULL;
  std::fprintf(stderr, "y %016llx\n", static_cast<unsigned long long>(hash));
  provider.destroy_layer(layer);
}

/// Reads 340 MB, the size of the layer, over and over.
void run_read(const Options& options) {
  std::vector<uint8_t> memory(uint64_t{340} << 20U, 1);
  std::string times;
  for (int run = 0; run < options.runs; ++run) times += (run == 0 ? "" : ",") + std::to_string(read_all(memory.data(), memory.size(), options.threads));
  std::printf("{\"name\":\"read\",\"kind\":\"read\",\"threads\":%d,\"bytes\":%zu,\"us\":[%s]}\n", options.threads, memory.size(), times.c_str());
}

}  // namespace
}  // namespace moe::bench

int main(int argc, char** argv) {
  const moe::bench::Options options = moe::bench::Options::parse(argc, argv);
  if (options.kind == "read") moe::bench::run_read(options);
  else moe::bench::run_layer(options);
}
