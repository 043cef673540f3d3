#include <algorithm>
#include <cstring>

#include "core/error/error.h"
#include "core/provider/abi.h"
#include "core/provider/library.h"

namespace moe {
namespace {

/// Receives a provider's outputs into tensors of our own.
class Collector {
 public:
  moe_sink sink() { return {this, &Collector::tensor, &Collector::time, &Collector::workspace}; }
  RunOutput output;
  std::string fault;  ///< why an output was refused, "" = none

 private:
  // No exception may cross the C ABI: failures are remembered and the output is declined.
  static void* tensor(void* context, const char* name, int32_t dtype, int32_t rank, const int64_t* shape, uint64_t bytes) {
    auto& self = *static_cast<Collector*>(context);
    try {
      return self.allocate(name, dtype, rank, shape, bytes);
    } catch (const Error& error) {
      self.fault = error.message();
    } catch (const std::exception& error) {
      self.fault = error.what();
    }
    return nullptr;
  }

  static void time(void* context, const moe_stage_time* entry) {
    static_cast<Collector*>(context)->output.stages.push_back({entry->stage, entry->microseconds});
  }
  static void workspace(void* context, uint64_t bytes) { static_cast<Collector*>(context)->output.workspace_bytes = bytes; }

  void* allocate(const char* name, int32_t dtype, int32_t rank, const int64_t* shape, uint64_t bytes) {
    if (name == nullptr || rank < 1 || rank > 6 || shape == nullptr || dtype < MOE_U8 || dtype > MOE_F16) throw Error(code::kInternal, "the provider described an output wrongly");
    const bool fp4 = std::strcmp(name, "x_q") == 0 || std::strcmp(name, "act_q") == 0;
    NewTensor made = new_tensor(name, static_cast<DType>(dtype), fp4 ? Layout::kFp4 : Layout::kLinear, {shape, shape + rank});
    if (made.tensor.bytes != bytes) throw Error(code::kInternal, std::string("the provider's size of output ") + name + " does not fit its shape");
    output.tensors.push_back(made.tensor);
    return made.data;
  }
};

void require_size(const char* what, size_t found, int64_t expected) {
  if (static_cast<int64_t>(found) == expected) return;
  throw Error(code::kUsage, std::string("the batch's ") + what + " does not fit the layer",
              {{"subject", std::string(what)}, {"expected", std::to_string(expected) + " elements"}, {"found", std::to_string(found) + " elements"}});
}

}  // namespace

ProviderLayer::ProviderLayer(std::shared_ptr<const Provider> provider, LayerSource source) : provider_(std::move(provider)), source_(std::move(source)) {
  const bool from_checkpoint = source_.contract >= MOE_IDEAL;
  if (from_checkpoint ? source_.checkpoint == nullptr : source_.prepared == nullptr) {
    throw Error(code::kUsage, std::string("contract ") + contract_name(source_.contract) + " needs " + (from_checkpoint ? "the checkpoint layer" : "a prepared layer"));
  }
  if (!from_checkpoint && source_.prepared->contract != source_.contract) {
    throw Error(code::kUsage, "the prepared layer has another contract", {{"expected", std::string(contract_name(source_.contract))}, {"found", std::string(contract_name(source_.prepared->contract))}});
  }
  shape_ = from_checkpoint ? source_.checkpoint->shape : source_.prepared->shape;
  const moe_capabilities& can = provider_->capabilities();
  if ((can.contracts >> source_.contract & 1) == 0) {
    throw Error(code::kUnsupported, "provider " + provider_->name() + " does not run the contract " + contract_name(source_.contract), {{"subject", "provider " + provider_->name()}, {"found", std::string(contract_name(source_.contract))}});
  }
  if ((can.activations >> shape_.activation & 1) == 0) {
    throw Error(code::kUnsupported, "provider " + provider_->name() + " does not have this layer's activation", {{"subject", "provider " + provider_->name()}, {"found", std::to_string(shape_.activation)}});
  }
  moe_layer_desc desc{};
  if (!from_checkpoint) {
    for (const Tensor& parameter : source_.prepared->parameters) tensors_.push_back(abi_tensor(parameter));
    for (const Tensor& view : source_.prepared->views) tensors_.push_back(abi_tensor(view));
  }
  describe(desc);
  provider_->require_ok(provider_->functions().create_layer(&desc, &layer_), "create_layer");
  note_memory();
}

void ProviderLayer::note_memory() {
  if (provider_->functions().layer_memory == nullptr) return;
  moe_layer_memory found{};
  found.struct_size = sizeof found;
  provider_->require_ok(provider_->functions().layer_memory(layer_, &found), "layer_memory");
  const std::lock_guard lock(noting_);
  memory_ = found;
}

std::optional<moe_layer_memory> ProviderLayer::memory() const {
  const std::lock_guard lock(noting_);
  return memory_;
}

ProviderLayer::~ProviderLayer() {
  if (layer_ != nullptr) provider_->functions().destroy_layer(layer_);
}

void ProviderLayer::describe(moe_layer_desc& desc) const {
  desc.struct_size = sizeof desc;
  desc.hidden = shape_.hidden;
  desc.intermediate = shape_.intermediate;
  desc.experts = shape_.experts;
  desc.top_k = shape_.top_k;
  desc.gated = shape_.gated ? 1 : 0;
  desc.activation = shape_.activation;
  desc.swiglu_alpha = shape_.swiglu_alpha;
  desc.swiglu_limit = shape_.swiglu_limit;
  desc.contract = source_.contract;
  desc.threshold = source_.contract >= MOE_IDEAL ? 0 : source_.prepared->threshold;
  desc.tensors = tensors_.data();
  desc.tensor_count = static_cast<int32_t>(tensors_.size());
  if (source_.checkpoint != nullptr) {
    desc.gate = shape_.gated ? source_.checkpoint->gate.data() : nullptr;
    desc.up = source_.checkpoint->up.data();
    desc.down = source_.checkpoint->down.data();
  }
}

void ProviderLayer::check(const RunInput& input) const {
  const moe_capabilities& can = provider_->capabilities();
  if (input.tokens < 1) throw Error(code::kUsage, "a batch needs at least one token", {{"subject", std::string("tokens")}, {"found", std::to_string(input.tokens)}});
  const int64_t pairs = static_cast<int64_t>(input.tokens) * shape_.top_k;
  require_size("x", input.x.size(), static_cast<int64_t>(input.tokens) * shape_.hidden);
  require_size("topkIds", input.topk_ids.size(), pairs);
  require_size("topkWeights", input.topk_weights.size(), pairs);
  if ((can.paths >> input.path & 1) == 0) throw Error(code::kUnsupported, "provider " + provider_->name() + " does not have this path", {{"subject", "provider " + provider_->name()}});
  if (can.max_tokens > 0 && input.tokens > can.max_tokens) {
    throw Error(code::kUnsupported, "the batch is larger than provider " + provider_->name() + " takes",
                {{"expected", "at most " + std::to_string(can.max_tokens) + " tokens"}, {"found", std::to_string(input.tokens)}});
  }
}

moe_batch ProviderLayer::batch_of(const RunInput& input, const Task& task) const {
  moe_batch batch{};
  batch.struct_size = sizeof batch;
  batch.tokens = input.tokens;
  batch.x = input.x.data();
  batch.topk_ids = input.topk_ids.data();
  batch.topk_weights = input.topk_weights.data();
  batch.path = input.path;
  batch.kernel = input.kernel;
  batch.tile_m = input.tile_m;
  batch.tile_n = input.tile_n;
  batch.taps = input.taps & provider_->capabilities().taps;
  batch.deterministic = input.deterministic || provider_->capabilities().deterministic_only != 0 ? 1 : 0;
  batch.seed = input.seed;
  // An atomic<int32_t> is lock free and has the size and place of its int32_t.
  batch.cancel = reinterpret_cast<const volatile int32_t*>(task.cancel);
  moe_layer_desc desc{};
  describe(desc);
  abi::check_batch(batch, desc);
  return batch;
}

void ProviderLayer::inspect(const RunInput& input, const Task& task, const std::function<void(moe_layer*, const moe_batch&)>& body) {
  check(input);
  const std::lock_guard lock(running_);
  task.check();
  body(layer_, batch_of(input, task));
}

RunOutput ProviderLayer::run(const RunInput& input, const Task& task) {
  check(input);
  const std::lock_guard lock(running_);
  task.check();
  const moe_batch batch = batch_of(input, task);

  Collector collector;
  const moe_sink sink = collector.sink();
  const moe_status status = provider_->functions().run(layer_, &batch, &sink);
  if (status != MOE_OK && !collector.fault.empty()) throw Error(code::kInternal, collector.fault);
  provider_->require_ok(status, "run");
  note_memory();
  std::stable_partition(collector.output.tensors.begin(), collector.output.tensors.end(), [](const Tensor& tensor) { return tensor.name == "y"; });
  if (collector.output.tensors.empty() || collector.output.tensors.front().name != "y") throw Error(code::kInternal, "provider " + provider_->name() + " returned no y");
  return std::move(collector.output);
}

}  // namespace moe
