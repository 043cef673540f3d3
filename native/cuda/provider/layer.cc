#include "cuda/provider/layer.h"

#include <algorithm>
#include <cstring>

#include "core/error/error.h"

namespace moe::cuda {
namespace {

RunShape shape_of(const moe_batch& batch) {
  return {batch.tokens, batch.path, batch.kernel, batch.tile_m, batch.tile_n, MOE_TAP_NONE, batch.deterministic != 0};
}

std::string path_text(int path) { return path == MOE_PATH_CUTLASS ? "cutlass" : "b12x"; }

}  // namespace

/// What one run needs to know all along.
struct Layer::Work {
  const KernelFamily& kernels;
  const FamilyLayer* own;
  RunShape shape;  ///< without taps
  RunSizes sizes;
};

Layer::Layer(const Backend& backend, const moe_layer_desc& desc)
    : runtime_(backend.runtime), families_(backend.families), settings_(settings_from_environment()), facts_(require_device(runtime_).facts), sizes_(desc),
      uploaded_(std::make_unique<UploadedLayer>(runtime_, desc, facts_, settings_)) {
  sizes_.tensors = nullptr;
  sizes_.tensor_count = 0;
  sizes_.gate = sizes_.up = sizes_.down = nullptr;
  for (const int path : {MOE_PATH_B12X, MOE_PATH_CUTLASS}) {
    const KernelFamily* kernels = choose_family(families_, settings_, path, facts_.major);
    if (kernels == nullptr || (path == MOE_PATH_CUTLASS && desc.threshold <= 0)) continue;
    // What a family refuses whatever the batch needs no copy of it; a run then tells the reason.
    if (kernels->refuses(device_layer(), {1, path, MOE_KERNEL_DIRECT_MICRO}) != nullptr) continue;
    own_[static_cast<size_t>(path)] = prepare(*kernels);
  }
  if (settings_.cold_l2) l2_flush_ = DeviceMemory(runtime_, 2 * facts_.l2_bytes, "flushing L2");
  stream_ = make_stream(runtime_);
  first_ = make_event(runtime_);
  last_ = make_event(runtime_);
}

std::unique_ptr<FamilyLayer> Layer::prepare(const KernelFamily& kernels) {
  const std::string doing = std::string("preparing the layer for ") + kernels.name();
  std::unique_ptr<FamilyLayer> own;
  const std::lock_guard lock(capture_lock());  // families wait for the device
  try {
    own.reset(kernels.prepare(device_layer()));
  } catch (const Error& error) {
    if (error.code() == code::kOutOfMemory) throw no_memory_for_family(runtime_, kernels.name(), error);
    const CudaStatus state = runtime_.synchronize_device();
    runtime_.take_last_error();
    if (is_fault(state)) throw lost_device(runtime_, state, doing + " (" + error.message() + ")");
    throw;
  }
  check(runtime_, runtime_.take_last_error(), doing);
  check(runtime_, runtime_.synchronize_device(), doing);
  return own;
}

// The thread that destroys may never have chosen the device.
Layer::~Layer() { runtime_.set_device(kDevice); }

moe_layer_memory Layer::memory() const {
  moe_layer_memory out{};
  out.struct_size = sizeof out;
  out.graphs = static_cast<int32_t>(2 * graphs_.size());  // plain and staged
  out.tensors = uploaded_->bytes();
  for (const auto& own : own_) out.reordered += own == nullptr ? 0 : own->bytes();
  out.runs = buffers_.bytes() + l2_flush_.bytes();
  return out;
}

const KernelFamily& Layer::family(int path) const {
  if (path != MOE_PATH_B12X && path != MOE_PATH_CUTLASS) throw Error(code::kUnsupported, "the cuda provider runs the paths b12x and cutlass");
  if (path == MOE_PATH_CUTLASS && device_layer().cutlass.w13.packed == nullptr) {
    throw Error(code::kUnsupported, "no CUTLASS scales are registered: the layer was prepared with threshold 0", {{"remedy", std::string("prepare the layer with a threshold > 0")}});
  }
  const KernelFamily* kernels = choose_family(families_, settings_, path, facts_.major);
  if (kernels == nullptr) {
    throw Error(code::kUnsupported, "this build of the cuda provider has no kernels for the path " + path_text(path) + " on sm_" + std::to_string(facts_.major) + std::to_string(facts_.minor),
                {{"subject", std::string("provider cuda")}});
  }
  return *kernels;
}

void Layer::run(const moe_batch& batch, const abi::Outputs& outputs) {
  if (lost_) throw Error(code::kDeviceLost, "the GPU was lost in an earlier batch of this layer", {{"subject", std::string("provider cuda")}, {"remedy", std::string(kRestart)}});
  abi::check_batch(batch, sizes_);
  const KernelFamily& kernels = family(batch.path);
  const RunShape shape = shape_of(batch);
  if (const char* why = kernels.refuses(device_layer(), shape)) {
    throw Error(code::kUnsupported, run_text(kernels, shape) + " cannot run: " + why, {{"subject", std::string("provider cuda")}});
  }
  try {
    check(runtime_, runtime_.set_device(kDevice), "choosing the GPU");
    execute(batch, outputs, kernels, shape);
  } catch (...) {
    rethrow(run_text(kernels, shape));
  }
}

void Layer::rethrow(const std::string& run) {
  // What was enqueued may still read the buffers, and its fault shows here when something else was thrown before it ran.
  const CudaStatus state = runtime_.synchronize(stream_.get());
  runtime_.take_last_error();  // the failure is told here, not by the next batch
  lost_ = is_fault(state);
  try {
    throw;
  } catch (const Error& error) {
    if (lost_ && error.code() != code::kDeviceLost) {
      const Error lost = lost_device(runtime_, state, "running");
      throw Error(lost.code(), run + ": " + lost.message() + " (" + error.message() + ")", lost.details());
    }
    lost_ = error.code() == code::kDeviceLost;
    const bool about_kernels = lost_ || error.code() == code::kInternal || error.code() == code::kOutOfMemory;
    if (about_kernels) throw Error(error.code(), run + ": " + error.message(), error.details());
    throw;
  }
}

void Layer::execute(const moe_batch& batch, const abi::Outputs& outputs, const KernelFamily& kernels, const RunShape& shape) {
  abi::check_cancel(batch);
  const DevicePath& path = batch.path == MOE_PATH_CUTLASS ? device_layer().cutlass : device_layer().b12x;
  auto* y = static_cast<uint16_t*>(outputs.require("y", MOE_BF16, {batch.tokens, sizes_.hidden}));
  const TapBuffers taps(runtime_, device_layer(), batch, path.shared_fc1_quantizer, outputs);
  RunShape tapped = shape;
  tapped.taps = taps.mask();
  const FamilyLayer* kept = own(batch.path);
  size_t workspace = kernels.workspace_bytes(device_layer(), kept, shape);
  if (taps.mask() != MOE_TAP_NONE) workspace = std::max(workspace, kernels.workspace_bytes(device_layer(), kept, tapped));

  const Work work{kernels, kept, shape, RunSizes(device_layer(), batch.tokens, workspace)};
  reserve(work);
  upload(batch, work);
  ShapeGraphs& graphs = graphs_of(work);
  abi::check_cancel(batch);
  measure(batch, work, graphs, outputs);
  check(runtime_, runtime_.download(y, buffers_.batch(work.sizes).y, static_cast<size_t>(batch.tokens) * static_cast<size_t>(sizes_.hidden) * sizeof(uint16_t), stream_.get()),
        "copying y to the host");
  wait("copying y to the host");
  if (taps.mask() != MOE_TAP_NONE) {
    abi::check_cancel(batch);
    run_taps(batch, work, taps, y);
  }
  outputs.workspace(work.sizes.total());
}

void Layer::reserve(const Work& work) {
  if (work.sizes.total() > buffers_.bytes()) graphs_.clear();
  buffers_.reserve(runtime_, work.sizes);
}

void Layer::upload(const moe_batch& batch, const Work& work) {
  const DeviceBatch device = buffers_.batch(work.sizes);
  const auto rows = static_cast<size_t>(batch.tokens);
  const size_t pairs = rows * static_cast<size_t>(sizes_.top_k);
  const auto copy = [&](const void* to, const void* from, size_t bytes) {
    check(runtime_, runtime_.upload(const_cast<void*>(to), from, bytes, stream_.get()), "copying the batch to the GPU");
  };
  copy(device.x, batch.x, rows * static_cast<size_t>(sizes_.hidden) * sizeof(uint16_t));
  copy(device.topk_ids, batch.topk_ids, pairs * sizeof(int32_t));
  copy(device.topk_weights, batch.topk_weights, pairs * sizeof(float));
}

void Layer::enqueue(const Work& work, const RunShape& shape, const DeviceBatch& batch, StageMarks* marks) {
  work.kernels.enqueue(device_layer(), work.own, shape, batch, stream_.get(), marks);
  check(runtime_, runtime_.take_last_error(), "launching");
}

ShapeGraphs& Layer::graphs_of(const Work& work) {
  if (ShapeGraphs* found = graphs_.find(work.shape)) return *found;
  const DeviceBatch batch = buffers_.batch(work.sizes);
  // Once without a graph: kernels are loaded at their first launch, which a capture does not allow, and a fault shows here. With marks
  // too: a family may take other kernels where it has to stop between stages.
  enqueue(work, work.shape, batch, nullptr);
  EventMarks first(runtime_, false);
  first.start(stream_.get());
  enqueue(work, work.shape, batch, &first);
  wait("running");
  OwnedGraph plain = capture(runtime_, stream_.get(), [&] { enqueue(work, work.shape, batch, nullptr); });
  EventMarks marks(runtime_, true);
  OwnedGraph staged = capture(runtime_, stream_.get(), [&] {
    marks.start(stream_.get());
    enqueue(work, work.shape, batch, &marks);
  });
  return graphs_.insert({work.shape, std::move(plain), std::move(staged), std::move(marks)});
}

void Layer::flush_l2() {
  if (settings_.cold_l2) check(runtime_, runtime_.fill(l2_flush_.data(), 0, l2_flush_.bytes(), stream_.get()), "flushing L2");
}

void Layer::measure(const moe_batch& batch, const Work&, ShapeGraphs& graphs, const abi::Outputs& outputs) {
  const Stream stream = stream_.get();
  // The staged replay comes first, so that the timed one finds what a repeated run finds in L2, unless that is flushed.
  flush_l2();
  check(runtime_, runtime_.launch(graphs.staged.get(), stream), "replaying the graph");
  abi::check_cancel(batch);
  flush_l2();
  check(runtime_, runtime_.record(first_.get(), stream, false), "recording an event");
  check(runtime_, runtime_.launch(graphs.plain.get(), stream), "replaying the graph");
  check(runtime_, runtime_.record(last_.get(), stream, false), "recording an event");
  wait("running");
  for (const auto& [stage, microseconds] : graphs.marks.times()) outputs.time(stage.c_str(), microseconds);
  double total = 0;
  check(runtime_, runtime_.elapsed_microseconds(&total, first_.get(), last_.get()), "reading the total time");
  outputs.time("total", total);
}

void Layer::run_taps(const moe_batch& batch, const Work& work, const TapBuffers& taps, const uint16_t* y) {
  RunShape shape = work.shape;
  shape.taps = taps.mask();
  DeviceBatch device = buffers_.batch(work.sizes);
  device.y = buffers_.second_y(work.sizes);
  taps.place(device);
  enqueue(work, shape, device, nullptr);
  taps.download(runtime_, stream_.get());
  std::vector<uint16_t> seen(static_cast<size_t>(batch.tokens) * static_cast<size_t>(sizes_.hidden));
  check(runtime_, runtime_.download(seen.data(), device.y, seen.size() * sizeof(uint16_t), stream_.get()), "copying y to the host");
  wait("running with taps");
  // NaN compares by its bits here, as it should.
  if (shape.deterministic && std::memcmp(seen.data(), y, seen.size() * sizeof(uint16_t)) != 0) {
    throw Error(code::kInternal, "the run with taps gave another y than the run without, though both are deterministic");
  }
}

void Layer::wait(const char* doing) {
  check(runtime_, runtime_.synchronize(stream_.get()), doing);
  check(runtime_, runtime_.take_last_error(), doing);
}

}  // namespace moe::cuda
