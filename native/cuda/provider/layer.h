// A layer on the GPU and its runs.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/provider/abi.h"
#include "cuda/provider/buffers.h"
#include "cuda/provider/device_layer.h"
#include "cuda/provider/families.h"
#include "cuda/provider/graphs.h"

namespace moe::cuda {

/// What the provider stands on: the CUDA runtime and the kernels. Lives as long as the process.
struct Backend {
  Runtime& runtime;
  Families families;
};

class Layer {
 public:
  /// Uploads the layer and lets the families of its paths prepare. @throws Error `no-device`, `out-of-memory`, `unsupported`
  ///   for an unknown setting, and as UploadedLayer
  Layer(const Backend& backend, const moe_layer_desc& desc);
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  /// One batch. y comes from a graph replay of the kernels without taps, its time is "total"; stage times come from a replay
  /// of the same graph with events in it. Taps come from a further run, whose y has to equal the first one's bit for bit
  /// when the batch is deterministic. `cancel` is polled between these.
  /// @throws Error `unsupported` (path, or a shape the family refuses, with why), `out-of-memory`, `cancelled`,
  ///   `device-lost` naming kernels, batch and CUDA error: then the layer can only be destroyed; `internal` when taps changed y
  void run(const moe_batch& batch, const abi::Outputs& outputs);

  const DeviceLayer& device_layer() const { return uploaded_->layer(); }
  /// Device memory that is held: tensors, what the families keep, buffers of runs. Captured graphs are counted; CUDA does not
  /// say what one takes.
  moe_layer_memory memory() const;

 private:
  struct Work;
  /// What a family keeps of the layer. @throws Error `out-of-memory` naming the family, the bytes its copy wants, what is free
  ///   and what to do
  std::unique_ptr<FamilyLayer> prepare(const KernelFamily& kernels);
  const KernelFamily& family(int path) const;
  const FamilyLayer* own(int path) const { return own_[static_cast<size_t>(path)].get(); }
  /// Rethrows what a run threw, when nothing of it is on the GPU any more: as `device-lost` when the GPU faulted, whoever noticed it
  /// first; with the run's kernels and shape when it is about them.
  [[noreturn]] void rethrow(const std::string& run);
  void execute(const moe_batch& batch, const abi::Outputs& outputs, const KernelFamily& kernels, const RunShape& shape);
  void reserve(const Work& work);
  void upload(const moe_batch& batch, const Work& work);
  ShapeGraphs& graphs_of(const Work& work);
  void enqueue(const Work& work, const RunShape& shape, const DeviceBatch& batch, StageMarks* marks);
  void measure(const moe_batch& batch, const Work& work, ShapeGraphs& graphs, const abi::Outputs& outputs);
  void run_taps(const moe_batch& batch, const Work& work, const TapBuffers& taps, const uint16_t* y);
  void flush_l2();
  void wait(const char* doing);

  Runtime& runtime_;
  Families families_;
  Settings settings_;
  DeviceFacts facts_;
  moe_layer_desc sizes_;  ///< its pointers are null
  std::unique_ptr<UploadedLayer> uploaded_;
  std::array<std::unique_ptr<FamilyLayer>, 2> own_;  ///< by path: b12x, cutlass
  DeviceMemory l2_flush_;
  RunBuffers buffers_;
  OwnedStream stream_;
  OwnedEvent first_, last_;
  GraphCache graphs_;
  bool lost_ = false;
};

}  // namespace moe::cuda
