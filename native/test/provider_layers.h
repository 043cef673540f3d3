// Layers on the built-in providers, and batches for them.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/contract/contract.h"
#include "core/formats/bf16.h"
#include "core/metrics/tensor_values.h"
#include "core/provider/library.h"
#include "cpu/cpu_provider.h"
#include "golden_file.h"
#include "reference/reference_provider.h"

namespace moe::test {

inline std::shared_ptr<const Provider> cpu_provider() { return Provider::wrap(cpu::provider(), "cpu"); }
inline std::shared_ptr<const Provider> reference_provider() { return Provider::wrap(reference::provider(), "reference"); }

/// Layer 0 of a shared checkpoint: H 256, I 128, E 8, k 2.
inline std::shared_ptr<const CheckpointLayer> shared_layer(const std::filesystem::path& folder) {
  const std::string file = (folder / "model.safetensors").string();
  const GoldenFile header(file);
  const bool nemotron = folder.filename() == "modelopt-nemotronh-tiny";
  const bool large = folder.filename() == "ct-qwen3moe-tiny";
  AssembleSpec spec;
  spec.shape = {256, 128, 8, 2, !nemotron, nemotron ? MOE_RELU2 : MOE_SILU, 1.702F, 0};
  spec.convention = large ? Convention::kLarge : Convention::kSmall;
  spec.files = {MappedFile::open(file)};
  const auto projection = [&](const std::string& name) {
    ProjectionSources out;
    for (int e = 0; e < 8; ++e) {
      const std::string prefix = (nemotron ? "backbone.layers.0.mixer.experts." : "model.layers.0.mlp.experts.") + std::to_string(e) + "." + name + "_proj.";
      out.file.push_back(0);
      out.scale_file.push_back(0);
      out.packed.push_back(header.range(prefix + (large ? "weight_packed" : "weight")).first);
      out.scale.push_back(header.range(prefix + "weight_scale").first);
      out.s2.push_back(header.tensor<float>(prefix + (large ? "weight_global_scale" : "weight_scale_2")).at(0));
      const std::string input = prefix + (large ? "input_global_scale" : "input_scale");
      if (header.has(input)) out.input_scale.push_back(header.tensor<float>(input).at(0));
    }
    return out;
  };
  if (!nemotron) spec.gate = projection("gate");
  spec.up = projection("up");
  spec.down = projection("down");
  return assemble(spec, {});
}

inline LayerSource source_of(const std::shared_ptr<const CheckpointLayer>& layer, moe_contract contract, int32_t threshold = 64) {
  LayerSource source{layer, nullptr, contract};
  if (contract <= MOE_CLEAN) source.prepared = prepare(*layer, contract, threshold, {});
  return source;
}

/// x ~ N(0, 1) in bf16, uniform random experts without repetition, weights that sum to 1.
inline RunInput random_batch(const LayerShape& shape, int32_t tokens, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  RunInput input;
  input.tokens = tokens;
  for (int64_t i = 0; i < static_cast<int64_t>(tokens) * shape.hidden; ++i) input.x.push_back(bf16_encode(normal(random)));
  for (int32_t t = 0; t < tokens; ++t) {
    std::vector<int32_t> experts(static_cast<size_t>(shape.experts));
    for (int32_t e = 0; e < shape.experts; ++e) experts[static_cast<size_t>(e)] = e;
    std::shuffle(experts.begin(), experts.end(), random);
    for (int32_t slot = 0; slot < shape.top_k; ++slot) {
      input.topk_ids.push_back(experts[static_cast<size_t>(slot)]);
      input.topk_weights.push_back(1.0F / static_cast<float>(shape.top_k) + 0.05F * static_cast<float>(slot % 2 == 0 ? 1 : -1));
    }
  }
  return input;
}

inline RunInput golden_batch(const GoldenFile& golden, const std::string& set) {
  RunInput input;
  input.tokens = static_cast<int32_t>(golden.shape(set + ".x").at(0));
  input.x = golden.tensor<uint16_t>(set + ".x");
  input.topk_ids = golden.tensor<int32_t>(set + ".topk_ids");
  input.topk_weights = golden.tensor<float>(set + ".topk_weights");
  input.path = MOE_PATH_REFERENCE;
  input.kernel = MOE_KERNEL_REFERENCE;
  return input;
}

inline RunInput on(RunInput input, moe_path path, moe_kernel kernel, int32_t tile = 128) {
  input.path = path;
  input.kernel = kernel;
  input.tile_m = input.tile_n = kernel == MOE_KERNEL_DIRECT_MICRO ? 0 : tile;
  return input;
}

inline const Tensor& output(const RunOutput& run, const std::string& name) {
  for (const Tensor& tensor : run.tensors) {
    if (tensor.name == name) return tensor;
  }
  throw std::runtime_error("no output " + name);
}

inline bool same_bytes(const Tensor& a, const Tensor& b) { return a.bytes == b.bytes && std::memcmp(a.data, b.data, a.bytes) == 0; }
inline double nrmse(const Tensor& a, const Tensor& b) { return compare(a, b, {}).nrmse; }

/// An F64 golden as a tensor.
inline Tensor golden_output(const GoldenFile& golden, const std::string& name) {
  const auto values = golden.tensor<double>(name);
  NewTensor out = new_tensor(name, DType::kF64, Layout::kLinear, golden.shape(name));
  std::memcpy(out.data, values.data(), values.size() * sizeof(double));
  return out.tensor;
}

}  // namespace moe::test
