// Times one kernel family over a random layer: CUDA graph replay with a cold L2, next to a plain streamer of the same bytes.
//   bench_family [--family NAME] [--shape H,I,E,K,ACT] [--tokens 1,8,64] [--reps N] [--check 0|1] [--json FILE] [--routing FOLDER]
//                [--profile 1]   (one replay between cudaProfilerStart and cudaProfilerStop and no figures, for scripts/bench/gpu/profile_kernels.py)
//                [--fc1 wgmma,groups,rows,units,stage,depth,blocks] [--fc2 ...] [--try 'FC1[/FC2];...'] [--sweep 1]   (tunings of b12x-upcast)
//                [--fused use,groups,rows,stage,slots,in_flight,cluster] [--sweep fused]   (its one kernel; use -1: never)
#include <cuda_profiler_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "cuda/bench/made_device_layer.h"
#include "cuda/bench/sampled_check.h"
#include "cuda/hopper/work.h"
#include "cuda/kernels/launch_check.h"

namespace moe::cuda::bench {
namespace {

constexpr size_t kFlushBytes = size_t{256} << 20;

using Options = std::map<std::string, std::string>;

std::vector<int> numbers(const std::string& text) {
  std::vector<int> out;
  for (const char* at = text.c_str(); *at != 0;) {
    char* end = nullptr;
    out.push_back(static_cast<int>(std::strtol(at, &end, 10)));
    at = *end == ',' ? end + 1 : end;
    if (end == at && *at != 0) break;
  }
  return out;
}

const KernelFamily& family_of(const std::string& name) {
#ifdef MOESCOPE_HAS_B12X_UPCAST
  if (name == "b12x-upcast") return b12x_upcast();
#endif
#ifdef MOESCOPE_HAS_B12X_EMULATED
  if (name == "b12x-emulated") return b12x_emulated();
#endif
#ifdef MOESCOPE_HAS_B12X_NATIVE
  if (name == "b12x-native") return b12x_native();
#endif
#ifdef MOESCOPE_HAS_CUTLASS_SM90
  if (name == "cutlass-sm90") return cutlass_sm90();
#endif
#ifdef MOESCOPE_HAS_CUTLASS_SM120
  if (name == "cutlass-sm120") return cutlass_sm120();
#endif
  throw Error(code::kUsage, "no kernel family '" + name + "' is in this program");
}

struct Spread {
  double median = 0, low = 0, high = 0;  ///< microseconds; 10th and 90th percentile
};

/// Replays a captured body with L2 flushed before each replay.
class Replay {
 public:
  explicit Replay(Memory& flush) : flush_(flush) {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    check_cuda(cudaEventCreate(&begin_), "making an event");
    check_cuda(cudaEventCreate(&end_), "making an event");
  }
  ~Replay() {
    if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
    cudaStreamDestroy(stream_);
  }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  template <class Body>
  void capture(const Body& body) {
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "starting a capture");
    body(stream_);
    check_cuda(cudaStreamEndCapture(stream_, &graph), "ending a capture");
    check_cuda(cudaGraphInstantiate(&graph_, graph, 0), "instantiating a graph");
    cudaGraphDestroy(graph);
  }
  void once() {
    check_cuda(cudaGraphLaunch(graph_, stream_), "launching a graph");
    check_cuda(cudaStreamSynchronize(stream_), "running a graph");
  }
  void profiled() {
    check_cuda(cudaMemsetAsync(flush_.as<void>(), 0, flush_.bytes(), stream_), "flushing L2");
    check_cuda(cudaStreamSynchronize(stream_), "flushing L2");
    check_cuda(cudaProfilerStart(), "starting the profiler");
    once();
    check_cuda(cudaProfilerStop(), "stopping the profiler");
  }
  Spread time(int reps) {
    std::vector<float> times;
    for (int i = 0; i < reps + 3; ++i) {
      check_cuda(cudaMemsetAsync(flush_.as<void>(), i & 255, flush_.bytes(), stream_), "flushing L2");
      check_cuda(cudaEventRecord(begin_, stream_), "recording");
      check_cuda(cudaGraphLaunch(graph_, stream_), "launching a graph");
      check_cuda(cudaEventRecord(end_, stream_), "recording");
      check_cuda(cudaStreamSynchronize(stream_), "running a graph");
      float ms = 0;
      check_cuda(cudaEventElapsedTime(&ms, begin_, end_), "timing");
      if (i >= 3) times.push_back(ms * 1000.0F);
    }
    std::sort(times.begin(), times.end());
    return {times[times.size() / 2], times[times.size() / 10], times[times.size() * 9 / 10]};
  }

 private:
  Memory& flush_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
};

template <class T>
std::vector<T> to_host(const Memory& memory, size_t count) {
  std::vector<T> out(count);
  check_cuda(cudaMemcpy(out.data(), memory.as<T>(), count * sizeof(T), cudaMemcpyDeviceToHost), "copying a result");
  return out;
}

template <class T>
void to_device(const Memory& memory, const std::vector<T>& values) {
  check_cuda(cudaMemcpy(memory.as<T>(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "copying a batch");
}

struct Case {
  const KernelFamily& family;
  const MadeLayer& layer;
  const FamilyLayer* own;
  int tokens, reps;
  bool check;
  double skew;
  bool profile = false;
};

/// Device buffers of a batch; taps only when asked for.
struct Buffers {
  Buffers(const Case& c, const MadeBatch& host, const RunShape& shape)
      : x(host.x.size() * 2), ids(host.topk_ids.size() * 4), weights(host.topk_ids.size() * 4), y(host.x.size() * 2), workspace(std::max<size_t>(256, c.family.workspace_bytes(c.layer.device(), c.own, shape))) {
    to_device(x, host.x);
    to_device(ids, host.topk_ids);
    to_device(weights, host.topk_weights);
    check_cuda(cudaMemset(y.as<void>(), 0xFF, y.bytes()), "poisoning y");
    check_cuda(cudaMemset(workspace.as<void>(), 0xFF, workspace.bytes()), "poisoning the workspace");
    batch.x = x.as<uint16_t>();
    batch.topk_ids = ids.as<int32_t>();
    batch.topk_weights = weights.as<float>();
    batch.y = y.as<uint16_t>();
    batch.workspace = workspace.as<void>();
  }
  Memory x, ids, weights, y, workspace;
  DeviceBatch batch;
};

std::string check_case(const Case& c, const MadeBatch& host, RunShape shape, const std::vector<uint16_t>& untapped) {
  const LayerShape& s = c.layer.shape();
  const size_t pairs = host.topk_ids.size();
  const size_t tokens = static_cast<size_t>(c.tokens);
  shape.taps = MOE_TAP_ALL;
  Buffers buffers(c, host, shape);
  Memory x_q(tokens * s.hidden / 2), x_sf(tokens * s.hidden / 16), fc1(pairs * s.fc1_rows() * 4), act(pairs * s.intermediate * 4), act_q(pairs * s.intermediate / 2), act_sf(pairs * s.intermediate / 16), fc2(pairs * s.hidden * 4);
  DeviceBatch& b = buffers.batch;
  b.x_q = x_q.as<uint8_t>();
  b.x_sf = x_sf.as<uint8_t>();
  b.fc1 = fc1.as<float>();
  b.act = act.as<float>();
  b.act_q = act_q.as<uint8_t>();
  b.act_sf = act_sf.as<uint8_t>();
  b.fc2 = fc2.as<float>();
  c.family.enqueue(c.layer.device(), c.own, shape, b, nullptr, nullptr);
  check_cuda(cudaDeviceSynchronize(), "running with taps");
  const auto h_xq = to_host<uint8_t>(x_q, x_q.bytes()), h_xsf = to_host<uint8_t>(x_sf, x_sf.bytes()), h_aq = to_host<uint8_t>(act_q, act_q.bytes()), h_asf = to_host<uint8_t>(act_sf, act_sf.bytes());
  const auto h_fc1 = to_host<float>(fc1, fc1.bytes() / 4), h_act = to_host<float>(act, act.bytes() / 4), h_fc2 = to_host<float>(fc2, fc2.bytes() / 4);
  const auto h_y = to_host<uint16_t>(buffers.y, untapped.size());
  const SampledErrors e = check_samples(c.layer, host, {h_xq.data(), h_xsf.data(), h_aq.data(), h_asf.data(), h_fc1.data(), h_act.data(), h_fc2.data(), h_y.data()}, 400, 7);
  const bool same = h_y == untapped;
  char text[256];
  std::snprintf(text, sizeof text, ", \"nrmse_fc1\": %.2e, \"act_quantization\": %.3f, \"nrmse_fc2\": %.2e, \"nrmse_y\": %.2e, \"taps_do_not_disturb\": %s", e.fc1, e.act_quantization, e.fc2, e.y, same ? "true" : "false");
  return text;
}

MadeBatch batch_of(const MadeLayer& layer, int tokens, double skew) { return make_batch(layer.shape(), tokens, 1234 + static_cast<uint64_t>(tokens), skew); }

/// Writes topk_ids as int32 [T, k] to FOLDER/T.i32, so that peers run on the same routing.
void write_routing(const std::string& folder, const MadeBatch& batch, int tokens) {
  const std::string path = folder + "/" + std::to_string(tokens) + ".i32";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  const bool written = file != nullptr && std::fwrite(batch.topk_ids.data(), sizeof(int32_t), batch.topk_ids.size(), file) == batch.topk_ids.size();
  if ((file != nullptr && std::fclose(file) != 0) || !written) throw Error(code::kUsage, "cannot write " + path);
}

/// One line of JSON.
std::string run_case(const Case& c, Memory& flush, const std::string& label) {
  const LayerShape& s = c.layer.shape();
  const MadeBatch host = batch_of(c.layer, c.tokens, c.skew);
  RunShape shape;
  shape.tokens = c.tokens;
  const bool cutlass = std::strncmp(c.family.name(), "cutlass", 7) == 0;
  shape.path = cutlass ? MOE_PATH_CUTLASS : MOE_PATH_B12X;
  shape.kernel = cutlass ? MOE_KERNEL_CUTLASS : MOE_KERNEL_STATIC;
  shape.tile_m = shape.tile_n = 128;
  if (const char* why = c.family.refuses(c.layer.device(), shape)) throw Error(code::kUnsupported, why);
  Buffers buffers(c, host, shape);
  Replay replay(flush);
  replay.capture([&](cudaStream_t stream) { c.family.enqueue(c.layer.device(), c.own, shape, buffers.batch, stream, nullptr); });
  replay.once();
  if (c.profile) {
    replay.profiled();
    return "{\"profiled\": true}";
  }
  const auto first = to_host<uint16_t>(buffers.y, host.x.size());
  bool same = true;
  for (int i = 0; c.check && i < 20; ++i) {
    replay.once();
    same = same && to_host<uint16_t>(buffers.y, host.x.size()) == first;
  }
  const Spread spread = replay.time(c.reps);
  const double bytes = host.unique_experts * c.layer.expert_bytes();
  char text[512];
  std::snprintf(text, sizeof text, "{\"family\": \"%s\", \"label\": \"%s\", \"H\": %d, \"I\": %d, \"E\": %d, \"k\": %d, \"tokens\": %d, \"unique_experts\": %d, \"weight_mb\": %.2f, \"us\": %.2f, \"p10\": %.2f, \"p90\": %.2f, \"gb_per_s\": %.0f, \"tflops\": %.1f",
                c.family.name(), label.c_str(), s.hidden, s.intermediate, s.experts, s.top_k, c.tokens, host.unique_experts, bytes / 1e6, spread.median, spread.low, spread.high, bytes / spread.median / 1e3,
                2e-6 * s.hidden * (s.fc1_rows() + s.intermediate) * s.top_k * c.tokens / spread.median);
  std::string line = text;
  if (c.check) {
    // The streamer reads the layer's own codes, as many bytes as the routed experts have.
    Memory sink(256);
    Replay streamer(flush);
    const size_t whole = static_cast<size_t>(bytes);
    Memory peer(whole + 256);
    streamer.capture([&](cudaStream_t stream) { enqueue_streamer(peer.as<void>(), whole, sink.as<uint32_t>(), c.layer.device().sm_count, stream); });
    const Spread peer_time = streamer.time(c.reps);
    std::snprintf(text, sizeof text, ", \"streamer_us\": %.2f, \"of_streamer\": %.3f, \"deterministic\": %s", peer_time.median, peer_time.median / spread.median, same ? "true" : "false");
    line += text + check_case(c, host, shape, first);
  }
  return line + "}";
}

/// Tunings of the decode kernels for up to 64 tokens, of the wgmma ones from 8 on.
std::vector<hopper::Tuning> sweep_tunings(int tokens) {
  std::vector<hopper::Tuning> out;
  for (const int rows : {2, 4, 8}) {
    for (const auto& [stage, depth] : {std::pair{1, 4}, std::pair{1, 8}, std::pair{2, 2}, std::pair{2, 3}, std::pair{2, 4}, std::pair{4, 2}, std::pair{4, 3}}) {
      for (const int blocks : {3, 4, 5, 6}) {
        if (tokens <= 64 && (tokens > 1 || rows == 2) && (tokens < 64 || rows == 8)) out.push_back({false, 1, rows, 1, stage, depth, blocks});
      }
    }
  }
  for (const int groups : {1, 2, 4, 6}) {
    for (const int stage : {1, 2, 3, 4}) {
      if (tokens >= 8) out.push_back({true, groups, 0, 0, stage, 16, groups <= 2 ? 2 : 3});
    }
  }
  return out;
}

std::vector<hopper::FusedTuning> sweep_fused_tunings() {
  std::vector<hopper::FusedTuning> out;
  for (const int groups : {2, 3}) {
    for (const int rows : {4, 8}) {
      for (const int stage : {2, 3, 4}) {
        for (const int in_flight : {2, 3, 4, 6, 8, 12}) out.push_back({1, groups, rows, stage, 0, in_flight, 0});
      }
    }
  }
  for (const int cluster : {1, 2, 4, 8}) out.push_back({1, 0, 0, 0, 0, 0, cluster});
  return out;
}

hopper::FusedTuning fused_of(const std::string& text) {
  const std::vector<int> n = numbers(text);
  return n.size() == 7 ? hopper::FusedTuning{n[0], n[1], n[2], n[3], n[4], n[5], n[6]} : hopper::FusedTuning{};
}

/// y of a run with the tunings that are set now.
std::vector<uint16_t> y_of(const Case& c) {
  const MadeBatch host = batch_of(c.layer, c.tokens, c.skew);
  RunShape shape;
  shape.tokens = c.tokens;
  Buffers buffers(c, host, shape);
  c.family.enqueue(c.layer.device(), c.own, shape, buffers.batch, nullptr, nullptr);
  check_cuda(cudaDeviceSynchronize(), "running");
  return to_host<uint16_t>(buffers.y, host.x.size());
}

/// Times of the fused kernel, the best first, and whether its y is that of the separate kernels.
void sweep_fused(const Case& c, Memory& flush) {
  hopper::FusedTuning& fused = hopper::tuning_override().fused;
  fused.use = -1;
  const std::vector<uint16_t> expected = y_of(c);
  std::vector<std::pair<double, std::string>> all;
  for (const hopper::FusedTuning& t : sweep_fused_tunings()) {
    fused = t;
    char label[96];
    std::snprintf(label, sizeof label, "fused %d,%d,%d,%d,%d,%d,%d", t.use, t.groups, t.tile_rows, t.stage_chunks, t.slots, t.in_flight, t.cluster);
    const std::string same = y_of(c) == expected ? "same y" : "ANOTHER Y";
    const std::string line = run_case({c.family, c.layer, c.own, c.tokens, 15, false, c.skew}, flush, label);
    all.emplace_back(std::atof(line.c_str() + line.find("\"us\": ") + 6), label + (", " + same));
  }
  std::sort(all.begin(), all.end());
  for (const auto& [us, text] : all) std::printf("  T=%d %.2f us %s\n", c.tokens, us, text.c_str());
  std::fflush(stdout);
}

hopper::Tuning tuning_of(const std::string& text) {
  const std::vector<int> n = numbers(text);
  return n.size() == 7 ? hopper::Tuning{n[0] != 0, n[1], n[2], n[3], n[4], n[5], n[6]} : hopper::Tuning{};
}

int run(const Options& options) {
  const auto get = [&](const char* name, const char* otherwise) {
    const auto at = options.find(name);
    return at == options.end() ? std::string(otherwise) : at->second;
  };
  const std::vector<int> n = numbers(get("--shape", "2048,768,128,8,0"));
  if (n.size() != 5) throw Error(code::kUsage, "--shape takes H,I,E,K,ACT");
  const MadeLayer layer({n[0], n[1], n[2], n[3], n[4]}, 42);
  const KernelFamily& family = family_of(get("--family", "b12x-upcast"));
  const std::unique_ptr<FamilyLayer> own(family.prepare(layer.device()));
  Memory flush(kFlushBytes);
  std::FILE* json = options.count("--json") != 0 ? std::fopen(options.at("--json").c_str(), "a") : nullptr;
  const auto report = [&](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
    if (json != nullptr) std::fprintf(json, "%s\n", line.c_str());
  };
  const int reps = numbers(get("--reps", "50"))[0];
  const bool check = get("--check", "1") != "0";
  const double skew = std::atof(get("--skew", "0").c_str());
  const hopper::TuningOverride asked{tuning_of(get("--fc1", "")), tuning_of(get("--fc2", "")), fused_of(get("--fused", ""))};
  for (const int tokens : numbers(get("--tokens", "1,8,64,512"))) {
    hopper::tuning_override() = asked;
    if (options.count("--routing") != 0) write_routing(options.at("--routing"), batch_of(layer, tokens, skew), tokens);
    report(run_case({family, layer, own.get(), tokens, reps, check, skew, get("--profile", "0") != "0"}, flush, ""));
    if (get("--sweep", "0") == "fused") sweep_fused({family, layer, own.get(), tokens, reps, false, skew}, flush);
    const std::string tries = get("--try", "");
    for (size_t from = 0; from < tries.size();) {
      const size_t end = std::min(tries.find(';', from), tries.size());
      const std::string one = tries.substr(from, end - from);
      const size_t slash = one.find('/');
      hopper::tuning_override() = {tuning_of(one.substr(0, slash)), tuning_of(slash == std::string::npos ? one : one.substr(slash + 1)), {-1}};
      report(run_case({family, layer, own.get(), tokens, reps, check, skew}, flush, one));
      from = end + 1;
    }
    if (get("--sweep", "0") != "1") continue;
    hopper::tuning_override() = asked;
    hopper::tuning_override().fused.use = -1;
    for (const bool second : {false, true}) {
      std::vector<std::pair<double, std::string>> best;
      for (const hopper::Tuning& t : sweep_tunings(tokens)) {
        // FC1 and FC2 share the layout of rows, so FC1 is swept with FC2 as its kind chooses it.
        hopper::TuningOverride& now = hopper::tuning_override();
        if (second && t.wgmma != now.fc1.wgmma) continue;
        (second ? now.fc2 : now.fc1) = t;
        if (!second) now.fc2 = t;
        char label[64];
        std::snprintf(label, sizeof label, "%s %d,%d,%d,%d,%d,%d,%d", second ? "fc2" : "fc1", t.wgmma ? 1 : 0, t.row_groups, t.tile_rows, t.units, t.stage_chunks, t.depth, t.blocks_per_sm);
        const std::string line = run_case({family, layer, own.get(), tokens, 9, false, skew}, flush, label);
        best.emplace_back(std::atof(line.c_str() + line.find("\"us\": ") + 6), label);
      }
      std::sort(best.begin(), best.end());
      for (size_t i = 0; i < best.size() && i < 6; ++i) std::printf("  T=%d %-20s %.2f us\n", tokens, best[i].second.c_str(), best[i].first);
      const hopper::Tuning winner = tuning_of(best[0].second.substr(4));
      (second ? hopper::tuning_override().fc2 : hopper::tuning_override().fc1) = winner;
    }
  }
  if (json != nullptr) std::fclose(json);
  return 0;
}

}  // namespace
}  // namespace moe::cuda::bench

int main(int count, char** arguments) {
  moe::cuda::bench::Options options;
  for (int i = 1; i + 1 < count; i += 2) options[arguments[i]] = arguments[i + 1];
  try {
    return moe::cuda::bench::run(options);
  } catch (const moe::Error& error) {
    std::fprintf(stderr, "bench_family: %s\n", error.what());
    return 1;
  }
}
