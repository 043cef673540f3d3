// A provider behind provider.h as a C++ object: built in or from a shared library, with its layers and their results.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/checkpoint/checkpoint.h"
#include "core/contract/contract.h"
#include "core/tensor/tensor.h"
#include "provider.h"

namespace moe {

struct StageTime {
  std::string stage;
  double microseconds;
};

struct RunOutput {
  std::vector<Tensor> tensors;  ///< "y" first, then the taps; x_q and act_q have layout fp4
  std::vector<StageTime> stages;
  uint64_t workspace_bytes = 0;
};

/// One batch in host memory. Sizes must fit the layer: x [T, H], ids and weights [T, k].
struct RunInput {
  int32_t tokens = 0;
  std::vector<uint16_t> x;
  std::vector<int32_t> topk_ids;
  std::vector<float> topk_weights;
  moe_path path = MOE_PATH_B12X;
  moe_kernel kernel = MOE_KERNEL_STATIC;
  int32_t tile_m = 0, tile_n = 0;
  int32_t taps = 0;
  bool deterministic = true;
  uint64_t seed = 0;
};

/// What a provider layer is made of. The three contracts need `prepared`; the answers from the checkpoint's own scales
/// need `checkpoint`.
struct LayerSource {
  std::shared_ptr<const CheckpointLayer> checkpoint;
  std::shared_ptr<const PreparedLayer> prepared;
  moe_contract contract = MOE_UNIT_ALPHA;
};

class Provider;

/// A layer on a provider. Keeps the provider and all tensors alive; runs are serialised.
class ProviderLayer {
 public:
  ProviderLayer(std::shared_ptr<const Provider> provider, LayerSource source);
  ~ProviderLayer();
  ProviderLayer(const ProviderLayer&) = delete;
  ProviderLayer& operator=(const ProviderLayer&) = delete;

  /// Runs one batch; waits while another one runs. Taps that the provider does not have are left out of the result.
  /// @throws Error `usage` (sizes), `bad-routing` (an id outside the layer, named), `unsupported` (path, kernel, tokens
  ///   above the provider's limit), `cancelled`, `out-of-memory`, `device-lost`, `internal`
  RunOutput run(const RunInput& input, const Task& task);

  /// Hands the provider's own layer and the batch as the C ABI has it to `body`, under the rules of run(): for looking
  /// into the built-in providers, whose layers this program knows. @throws as run, and what `body` throws
  void inspect(const RunInput& input, const Task& task, const std::function<void(moe_layer*, const moe_batch&)>& body);
  const Provider& provider() const { return *provider_; }

  /// Device memory as it was after the last run, or after creation; none on a provider that works in the host's memory.
  /// Does not wait for a run.
  std::optional<moe_layer_memory> memory() const;

 private:
  moe_batch batch_of(const RunInput& input, const Task& task) const;
  void describe(moe_layer_desc& desc) const;
  void check(const RunInput& input) const;
  void note_memory();

  std::shared_ptr<const Provider> provider_;
  LayerSource source_;
  LayerShape shape_;
  std::vector<moe_tensor> tensors_;
  moe_layer* layer_ = nullptr;
  std::mutex running_;
  mutable std::mutex noting_;
  std::optional<moe_layer_memory> memory_;
};

class Provider : public std::enable_shared_from_this<Provider> {
 public:
  /// Wraps a table of functions that lives as long as the process. @param origin "built in" or the library's path
  /// @throws Error `provider-load` when the ABI, the sizes or a function do not fit
  static std::shared_ptr<const Provider> wrap(const moe_provider* functions, const std::string& origin);

  /// Opens a shared library and asks its one symbol `moescope_provider`. The library stays loaded until the process
  /// ends: providers may own threads.
  /// @throws Error `provider-load` with the loader's reason, the missing symbol, or the ABI that was found
  static std::shared_ptr<const Provider> load(const std::string& path);

  const std::string& name() const { return name_; }
  const std::string& version() const { return version_; }
  const moe_capabilities& capabilities() const { return capabilities_; }
  const moe_provider& functions() const { return functions_; }

  /// Asks the device. @throws Error of the provider's status
  moe_device probe() const;

  /// @throws Error `usage` (the source does not fit the contract), `unsupported` (contract or activation the provider
  ///   does not have), or what the provider reports
  std::shared_ptr<ProviderLayer> create_layer(LayerSource source) const;

  /// Throws the Error that belongs to a status other than MOE_OK, with the provider's last error as its message.
  void require_ok(moe_status status, const char* what) const;

 private:
  Provider(const moe_provider& functions, const std::string& origin);

  moe_provider functions_{};
  std::string name_, version_;
  moe_capabilities capabilities_{};
};

}  // namespace moe
