#include "cuda/b12x/run.h"

#include <algorithm>

#include "cuda/b12x/direct_micro.h"
#include "cuda/kernels/finalize.h"
#include "cuda/kernels/launch_check.h"
#include "cuda/kernels/quantize_rows.h"

namespace moe::cuda::b12x {
namespace {

/// One chunk of tokens: the batch's buffers from its first token on, with the workspace where a tap was not asked for.
struct Chunk {
  int tokens, pairs;
  const uint16_t* x;
  const int32_t* topk_ids;
  const float* topk_weights;
  uint16_t* y;
  uint8_t *x_q, *x_sf, *act_q, *act_sf;
  float *fc1, *act, *fc2;
};

template <class T>
T* advance(T* base, int64_t elements) {
  return base == nullptr ? nullptr : base + elements;
}

class Run {
 public:
  Run(const GroupedKernels& kernels, const DeviceLayer& layer, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream, StageMarks* marks)
      : kernels_(kernels), layer_(layer), shape_(shape), batch_(batch), stream_(stream), marks_(marks), plan_(make_plan(layer, shape)) {}

  void enqueue() {
    for (int first = 0; first < shape_.tokens; first += plan_.chunk_tokens) {
      const Chunk chunk = chunk_at(first, std::min(plan_.chunk_tokens, shape_.tokens - first));
      if (plan_.arithmetic.direct_micro) {
        enqueue_direct(chunk);
      } else {
        enqueue_grouped(chunk);
      }
    }
  }

 private:
  uint8_t* workspace(size_t offset) const { return static_cast<uint8_t*>(batch_.workspace) + offset; }
  int x_rows() const { return plan_.shared_x ? 1 : layer_.top_k; }  ///< of a token

  Chunk chunk_at(int first, int tokens) const {
    const int64_t first_pair = static_cast<int64_t>(first) * layer_.top_k;
    const int64_t first_x = static_cast<int64_t>(first) * x_rows();
    const int64_t hidden = layer_.hidden;
    const int64_t intermediate = layer_.intermediate;
    const auto tap_or = [&](uint8_t* tap, int64_t at, size_t own) { return tap != nullptr ? tap + at : workspace(own); };
    Chunk out{};
    out.tokens = tokens;
    out.pairs = tokens * layer_.top_k;
    out.x = batch_.x + first * hidden;
    out.topk_ids = batch_.topk_ids + first_pair;
    out.topk_weights = batch_.topk_weights + first_pair;
    out.y = batch_.y + first * hidden;
    out.x_q = tap_or(batch_.x_q, first_x * hidden / 2, plan_.x_q);
    out.x_sf = tap_or(batch_.x_sf, first_x * hidden / 16, plan_.x_sf);
    out.act_q = tap_or(batch_.act_q, first_pair * intermediate / 2, plan_.act_q);
    out.act_sf = tap_or(batch_.act_sf, first_pair * intermediate / 16, plan_.act_sf);
    out.fc1 = advance(batch_.fc1, first_pair * intermediate * (layer_.gated ? 2 : 1));
    out.act = advance(batch_.act, first_pair * intermediate);
    out.fc2 = advance(batch_.fc2, first_pair * hidden);
    return out;
  }

  void mark(const char* stage) const {
    if (marks_ != nullptr) marks_->after(stage, stream_);
  }

  void quantize_x(const Chunk& chunk) const {
    QuantizeX work;
    work.quantizer = plan_.arithmetic.quantizer;
    work.x = chunk.x;
    work.topk_ids = chunk.topk_ids;
    work.global_scales = layer_.b12x.fc1_quantizer;
    work.inverts_scale = plan_.arithmetic.direct_micro && layer_.direct_micro_divides;
    work.tokens = chunk.tokens;
    work.top_k = layer_.top_k;
    work.top_k_rows = x_rows();
    work.hidden = layer_.hidden;
    work.codes = chunk.x_q;
    work.scales = chunk.x_sf;
    enqueue_quantize_x(work, stream_);
  }

  RowTiles sort(const Chunk& chunk) const {
    RowTiles tiles;
    tiles.rows.offsets = reinterpret_cast<int32_t*>(workspace(plan_.offsets));
    tiles.rows.tile_offsets = reinterpret_cast<int32_t*>(workspace(plan_.tile_offsets));
    tiles.rows.pairs = reinterpret_cast<int32_t*>(workspace(plan_.pairs));
    tiles.experts = layer_.experts;
    tiles.tile_m = shape_.tile_m;
    tiles.max_tiles = max_row_tiles(chunk.pairs, layer_.experts, shape_.tile_m);
    tiles.pairs = chunk.pairs;
    enqueue_expert_rows(chunk.topk_ids, chunk.pairs, layer_.experts, shape_.tile_m, tiles.rows, workspace(plan_.sort_scratch), stream_);
    return tiles;
  }

  void enqueue_grouped(const Chunk& chunk) const {
    quantize_x(chunk);
    const RowTiles tiles = sort(chunk);
    mark("quantize");

    Fc1Work fc1;
    fc1.tiles = tiles;
    fc1.w13 = layer_.b12x.w13;
    fc1.x_q = chunk.x_q;
    fc1.x_sf = chunk.x_sf;
    fc1.pairs_per_x_row = plan_.shared_x ? layer_.top_k : 1;
    fc1.intermediate = layer_.intermediate;
    fc1.multiplier = layer_.b12x.fc1_multiplier;
    fc1.quantizer_scale = layer_.b12x.fc2_quantizer;
    fc1.quantizer = plan_.arithmetic.quantizer;
    fc1.activation = layer_.activation;
    fc1.swiglu_alpha = layer_.swiglu_alpha;
    fc1.swiglu_limit = layer_.swiglu_limit;
    fc1.act_q = chunk.act_q;
    fc1.act_sf = chunk.act_sf;
    fc1.fc1 = chunk.fc1;
    fc1.act = chunk.act;
    kernels_.fc1(fc1, stream_);
    mark("fc1");

    Fc2Work fc2;
    fc2.tiles = tiles;
    fc2.w2 = layer_.b12x.w2;
    fc2.act_q = chunk.act_q;
    fc2.act_sf = chunk.act_sf;
    fc2.multiplier = layer_.b12x.fc2_multiplier;
    fc2.topk_weights = chunk.topk_weights;
    fc2.top_k = layer_.top_k;
    fc2.by_slice = plan_.arithmetic.by_slice;
    fc2.slices = plan_.slices;
    fc2.contributions = plan_.keeps_contributions ? reinterpret_cast<uint16_t*>(workspace(plan_.contributions)) : nullptr;
    fc2.y = chunk.y;
    fc2.fc2 = chunk.fc2;
    if (!plan_.keeps_contributions) {
      check_cuda(cudaMemsetAsync(chunk.y, 0, static_cast<size_t>(chunk.tokens) * static_cast<size_t>(layer_.hidden) * sizeof(uint16_t), stream_), "zeroing of y");
    }
    kernels_.fc2(fc2, stream_);
    mark("fc2");
    if (!plan_.keeps_contributions) return;
    enqueue_added_finalize({fc2.contributions, chunk.tokens, layer_.top_k, plan_.slices, layer_.hidden, chunk.y}, stream_);
    mark("finalize");
  }

  void enqueue_direct(const Chunk& chunk) const {
    quantize_x(chunk);
    mark("quantize");

    DirectFc1Work fc1;
    fc1.w13 = layer_.b12x.w13;
    fc1.x_q = chunk.x_q;
    fc1.x_sf = chunk.x_sf;
    fc1.topk_ids = chunk.topk_ids;
    fc1.pairs = chunk.pairs;
    fc1.pairs_per_x_row = plan_.shared_x ? layer_.top_k : 1;
    fc1.intermediate = layer_.intermediate;
    fc1.multiplier = layer_.b12x.fc1_multiplier;
    fc1.quantizer_scale = layer_.b12x.fc2_quantizer;
    fc1.inverts_scale = layer_.direct_micro_divides;
    fc1.activation = layer_.activation;
    fc1.swiglu_alpha = layer_.swiglu_alpha;
    fc1.swiglu_limit = layer_.swiglu_limit;
    fc1.act_q = chunk.act_q;
    fc1.act_sf = chunk.act_sf;
    fc1.fc1 = chunk.fc1;
    fc1.act = chunk.act;
    enqueue_direct_fc1(fc1, stream_);
    mark("fc1");

    DirectFc2Work fc2;
    fc2.w2 = layer_.b12x.w2;
    fc2.act_q = chunk.act_q;
    fc2.act_sf = chunk.act_sf;
    fc2.topk_ids = chunk.topk_ids;
    fc2.topk_weights = chunk.topk_weights;
    fc2.tokens = chunk.tokens;
    fc2.top_k = layer_.top_k;
    fc2.multiplier = layer_.b12x.fc2_multiplier;
    fc2.y = chunk.y;
    fc2.fc2 = chunk.fc2;
    enqueue_direct_fc2(fc2, stream_);
    mark("fc2");
  }

  const GroupedKernels& kernels_;
  const DeviceLayer& layer_;
  const RunShape& shape_;
  const DeviceBatch& batch_;
  cudaStream_t stream_;
  StageMarks* marks_;
  const Plan plan_;
};

}  // namespace

void enqueue_run(const GroupedKernels& kernels, const DeviceLayer& layer, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream,
                 StageMarks* marks) {
  Run(kernels, layer, shape, batch, stream, marks).enqueue();
}

}  // namespace moe::cuda::b12x
