#include "cuda/check/family_run.h"

#include <memory>

namespace moe::cuda::checking {
namespace {

constexpr int kNaN = 0xFF;  ///< this byte all over is NaN in fp32, bf16 and E4M3

struct StreamDelete {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};
struct GraphDelete {
  void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
};
struct GraphExecDelete {
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
};
using Stream = std::unique_ptr<CUstream_st, StreamDelete>;
using Graph = std::unique_ptr<CUgraph_st, GraphDelete>;
using GraphExec = std::unique_ptr<CUgraphExec_st, GraphExecDelete>;

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creation of a stream");
  return Stream(stream);
}

}  // namespace

FamilyRun::FamilyRun(const KernelFamily& family, const FamilyLayer* own, const HostBatch& batch, const DeviceLayer& layer, const RunShape& shape, bool poison)
    : family_(family), own_(own), layer_(layer), shape_(shape), poison_(poison), x_(batch.x), y_(batch.x.size()), topk_ids_(batch.topk_ids), topk_weights_(batch.topk_weights) {
  shared_x_ = (shape.path == MOE_PATH_CUTLASS ? layer.cutlass : layer.b12x).shared_fc1_quantizer;
  batch_.x = x_.get();
  batch_.topk_ids = topk_ids_.get();
  batch_.topk_weights = topk_weights_.get();
  batch_.y = y_.get();
}

RunShape FamilyRun::shape_for(int taps, bool deterministic) const {
  RunShape out = shape_;
  out.taps = taps;
  out.deterministic = deterministic;
  return out;
}

void FamilyRun::prepare(const RunShape& shape) {
  workspace_ = DeviceBuffer<uint8_t>(family_.workspace_bytes(layer_, own_, shape));
  batch_.workspace = workspace_.get();
  if (!poison_) return;
  workspace_.fill(kNaN);
  y_.fill(kNaN);
}

void FamilyRun::enqueue(const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream) const { family_.enqueue(layer_, own_, shape, batch, stream, nullptr); }

Tapped FamilyRun::tapped() {
  const RunShape shape = shape_for(MOE_TAP_ALL, true);
  prepare(shape);
  const auto hidden = static_cast<size_t>(layer_.hidden);
  const auto intermediate = static_cast<size_t>(layer_.intermediate);
  const auto pairs = static_cast<size_t>(shape.tokens) * static_cast<size_t>(layer_.top_k);
  const size_t x_rows = shared_x_ ? static_cast<size_t>(shape.tokens) : pairs;
  const DeviceBuffer<uint8_t> x_q(x_rows * hidden / 2), x_sf(x_rows * hidden / 16), act_q(pairs * intermediate / 2), act_sf(pairs * intermediate / 16);
  const DeviceBuffer<float> fc1(pairs * intermediate * (layer_.gated ? 2 : 1)), act(pairs * intermediate), fc2(pairs * hidden);
  if (poison_) {
    for (const auto* buffer : {&x_q, &x_sf, &act_q, &act_sf}) buffer->fill(kNaN);
    for (const auto* buffer : {&fc1, &act, &fc2}) buffer->fill(kNaN);
  }
  DeviceBatch batch = batch_;
  batch.x_q = x_q.get();
  batch.x_sf = x_sf.get();
  batch.act_q = act_q.get();
  batch.act_sf = act_sf.get();
  batch.fc1 = fc1.get();
  batch.act = act.get();
  batch.fc2 = fc2.get();
  const Stream stream = make_stream();
  check_cuda(cudaDeviceSynchronize(), "preparation of a run");
  enqueue(shape, batch, stream.get());
  check_cuda(cudaStreamSynchronize(stream.get()), "a tapped run");
  return {x_q.download(), x_sf.download(), act_q.download(), act_sf.download(), fc1.download(), act.download(), fc2.download(), y_.download()};
}

std::vector<uint16_t> FamilyRun::run(const RunShape& shape) {
  prepare(shape);
  const Stream stream = make_stream();
  check_cuda(cudaDeviceSynchronize(), "preparation of a run");
  enqueue(shape, batch_, stream.get());
  check_cuda(cudaStreamSynchronize(stream.get()), "a run");
  return y_.download();
}

std::vector<uint16_t> FamilyRun::plain() { return run(shape_for(MOE_TAP_NONE, true)); }
std::vector<uint16_t> FamilyRun::unordered() { return run(shape_for(MOE_TAP_NONE, false)); }

std::vector<uint16_t> FamilyRun::from_graph() {
  const RunShape shape = shape_for(MOE_TAP_NONE, true);
  prepare(shape);
  const Stream stream = make_stream();
  check_cuda(cudaDeviceSynchronize(), "preparation of a run");
  check_cuda(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), "capture");
  enqueue(shape, batch_, stream.get());
  cudaGraph_t captured = nullptr;
  check_cuda(cudaStreamEndCapture(stream.get(), &captured), "capture");
  const Graph graph(captured);
  cudaGraphExec_t instance = nullptr;
  check_cuda(cudaGraphInstantiate(&instance, graph.get(), 0), "instantiation of a graph");
  const GraphExec executable(instance);
  for (int replay = 0; replay < 2; ++replay) check_cuda(cudaGraphLaunch(executable.get(), stream.get()), "replay of a graph");
  check_cuda(cudaStreamSynchronize(stream.get()), "replay of a graph");
  return y_.download();
}

}  // namespace moe::cuda::checking
