#include "cuda/cutlass/pipeline.h"

#include "cuda/cutlass/expert_gemm.h"
#include "cuda/cutlass/operands.h"
#include "cuda/kernels/finalize.h"

namespace moe::cuda::cutlass_path {
namespace {

constexpr size_t kBufferAlignment = 256;

/// Hands out the parts of one block of memory; with a null base it only counts.
class Carver {
 public:
  explicit Carver(void* base) : base_(static_cast<uint8_t*>(base)) {}

  template <class T>
  T* take(size_t count) {
    T* part = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + bytes_);
    bytes_ += (count * sizeof(T) + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
    return part;
  }
  size_t bytes() const { return bytes_; }

 private:
  uint8_t* base_;
  size_t bytes_ = 0;
};

GroupArrays take_arrays(Carver& carver, const GroupedGemm& gemm, int experts, const float* multiplier) {
  const auto groups = static_cast<size_t>(experts);
  GroupArrays arrays{};
  arrays.shape = carver.take<GroupShape>(groups);
  arrays.a = carver.take<const void*>(groups);
  arrays.b = carver.take<const void*>(groups);
  arrays.d = carver.take<void*>(groups);
  arrays.stride_a = carver.take<int64_t>(groups);
  arrays.stride_b = carver.take<int64_t>(groups);
  arrays.stride_d = carver.take<int64_t>(groups);
  arrays.sfa = carver.take<const void*>(groups);
  arrays.sfb = carver.take<const void*>(groups);
  arrays.layout_sfa = carver.take<uint8_t>(groups * gemm.scale_layout_bytes);
  arrays.layout_sfb = carver.take<uint8_t>(groups * gemm.scale_layout_bytes);
  arrays.multiplier = multiplier;
  return arrays;
}

struct Buffers {
  DeviceExpertRows sorted;
  void* sort_scratch;
  GroupArrays fc1_arrays{}, fc2_arrays{};
  OperandRows x, act;
  uint16_t *fc1 = nullptr, *fc2;  ///< fc1: SM120
  void* gemm = nullptr;  ///< CUTLASS's, for FC1 and then for FC2
  size_t bytes;

  Buffers(const DeviceLayer& layer, const Body& body, const RunShape& shape, void* base) {
    Carver carver(base);
    const auto experts = static_cast<size_t>(layer.experts);
    const size_t pairs = static_cast<size_t>(shape.tokens) * static_cast<size_t>(layer.top_k);
    const auto hidden = static_cast<size_t>(layer.hidden);
    const auto intermediate = static_cast<size_t>(layer.intermediate);
    sorted.offsets = carver.take<int32_t>(experts + 1);
    sorted.pairs = carver.take<int32_t>(pairs);
    sorted.row_of_pair = carver.take<int32_t>(pairs);
    sorted.tile_offsets = carver.take<int32_t>(experts + 1);
    sort_scratch = carver.take<uint8_t>(expert_rows_scratch_bytes(static_cast<int>(pairs), layer.experts));
    if (body.sm120 != nullptr) {
      fc1 = carver.take<uint16_t>(pairs * intermediate * (layer.gated ? 2 : 1));
      fc1_arrays = take_arrays(carver, *body.sm120, layer.experts, layer.cutlass.fc1_multiplier);
      fc2_arrays = take_arrays(carver, *body.sm120, layer.experts, layer.cutlass.fc2_multiplier);
      gemm = carver.take<uint8_t>(body.sm120->workspace_bytes(layer.sm_count));
      const auto region_rows = static_cast<size_t>(max_row_tiles(static_cast<int>(pairs), layer.experts, kRegionRows)) * kRegionRows;
      x.codes = carver.take<uint8_t>(pairs * codes_bytes(layer.hidden));
      x.scales = carver.take<uint8_t>(region_rows * padded_blocks(hidden));
      act.codes = carver.take<uint8_t>(pairs * codes_bytes(layer.intermediate));
      act.scales = carver.take<uint8_t>(region_rows * padded_blocks(intermediate));
      fc2 = carver.take<uint16_t>(pairs * hidden);
    } else {
      // FC1 has read all of x before FC2 writes.
      fc2 = x.upcast = carver.take<uint16_t>(pairs * panel_columns(layer.hidden));
      act.upcast = carver.take<uint16_t>(pairs * panel_columns(layer.intermediate));
    }
    bytes = carver.bytes();
  }

  static constexpr int kRegionRows = 128;  ///< scale regions start at multiples of it
  static size_t codes_bytes(int k) { return static_cast<size_t>(padded_k(k)) / 2; }
  static size_t padded_blocks(size_t k) { return (k + 63) / 64 * 4; }
  static size_t panel_columns(int k) { return static_cast<size_t>(panels(k)) * kPanel; }
};

}  // namespace

const char* refuses(const DeviceLayer& layer, const RunShape& shape) {
  if (shape.path != MOE_PATH_CUTLASS) return "it runs the cutlass path only";
  if (layer.cutlass.w13.packed == nullptr) return "the layer has no cutlass scales: it was prepared with a threshold of 0";
  return nullptr;
}

size_t workspace_bytes(const DeviceLayer& layer, const Body& body, const RunShape& shape) { return Buffers(layer, body, shape, nullptr).bytes; }

void enqueue(const DeviceLayer& layer, const Body& body, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream, StageMarks* marks) {
  const Buffers buffers(layer, body, shape, batch.workspace);
  const DevicePath& path = layer.cutlass;
  const int pairs = shape.tokens * layer.top_k;
  const auto mark = [&](const char* stage) {
    if (marks != nullptr) marks->after(stage, stream);
  };

  enqueue_expert_rows(batch.topk_ids, pairs, layer.experts, Buffers::kRegionRows, buffers.sorted, buffers.sort_scratch, stream);
  if (body.sm120 != nullptr) {
    enqueue_group_arrays({body.w13, buffers.x, buffers.fc1, buffers.fc1_arrays}, {body.w2, buffers.act, buffers.fc2, buffers.fc2_arrays},
                         layer.experts, buffers.sorted, stream);
  }
  enqueue_expand_rows({batch.x, batch.topk_ids, path.fc1_quantizer, path.shared_fc1_quantizer, shape.tokens, layer.top_k, layer.hidden,
                       buffers.sorted, buffers.x, batch.x_q, batch.x_sf},
                      stream);
  mark("quantize");

  if (body.sm120 != nullptr) {
    body.sm120->enqueue(buffers.fc1_arrays, layer.experts, layer.sm_count, buffers.gemm, stream);
    mark("fc1");
    enqueue_activate_rows({buffers.fc1, batch.topk_ids, path.fc2_quantizer, pairs, layer.intermediate, layer.activation, layer.swiglu_alpha,
                           layer.swiglu_limit, buffers.sorted, buffers.act, batch.fc1, batch.act, batch.act_q, batch.act_sf},
                          stream);
    mark("activation");
    body.sm120->enqueue(buffers.fc2_arrays, layer.experts, layer.sm_count, buffers.gemm, stream);
  } else {
    const bool taps = batch.fc1 != nullptr || batch.act != nullptr || batch.act_q != nullptr || batch.act_sf != nullptr;
    const ExpertGemm fc1{body.w13_images, buffers.x.upcast, buffers.sorted.offsets, path.fc1_multiplier, layer.experts, pairs, path.w13.n, path.w13.k};
    const ActivatedRows to{buffers.act.upcast, path.fc2_quantizer, layer.intermediate, pairs, layer.swiglu_alpha, layer.swiglu_limit,
                           taps ? buffers.sorted.pairs : nullptr, batch.fc1, batch.act, batch.act_q, batch.act_sf};
    enqueue_expert_gemm_activated(layer.activation, fc1, to, layer.sm_count, stream);
    mark("fc1");
    enqueue_expert_gemm({body.w2_images, buffers.act.upcast, buffers.sorted.offsets, path.fc2_multiplier, layer.experts, pairs, path.w2.n, path.w2.k},
                        {buffers.fc2, path.w2.n}, layer.sm_count, stream);
  }
  mark("fc2");

  enqueue_weighted_finalize({buffers.fc2, buffers.sorted.row_of_pair, batch.topk_weights, shape.tokens, layer.top_k, layer.hidden, batch.y}, stream);
  if (batch.fc2 != nullptr) enqueue_fc2_tap(buffers.fc2, buffers.sorted.row_of_pair, pairs, layer.hidden, batch.fc2, stream);
  mark("finalize");
}

}  // namespace moe::cuda::cutlass_path
