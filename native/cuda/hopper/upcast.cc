// b12x-upcast: the fast body on Hopper. FP4 weights stream once and are decoded in registers, exactly, to fp16; activations
// are quantized as b12x does and held as code * SF in fp16, exactly as well. Arithmetic: b12x's up to FC2's sums, which are
// fp32 over all of I and over the slots in order, with one rounding to bf16.
#include <algorithm>
#include <memory>
#include <type_traits>

#include "core/error/error.h"
#include "cuda/hopper/fused.h"
#include "cuda/hopper/work.h"
#include "cuda/kernels/copy_memory.h"
#include "cuda/kernels/launch_check.h"
#include "cuda/launch.h"

namespace moe::cuda {
namespace hopper {

TuningOverride& tuning_override() {
  static TuningOverride value;
  return value;
}

namespace {

constexpr int kMaxPairs = 4096;  // routing.cuh
constexpr int kMaxExperts = 512;
constexpr int kMostDepth = 16;  ///< of the ring: as many slots as fit
constexpr size_t kAlignment = 256;
/// Up to so many tokens FC2's last writer finalizes: a kernel less on the way; above, its fences cost more than that.
constexpr int kArrivalTokens = 2;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

/// The layer's weights in fragment order: a copy as large as the FP4 codes and scales themselves.
struct UpcastLayer final : FamilyLayer {
  PackedOperand w13, w2;
  uint32_t* border = nullptr;
  uint64_t held = 0;
  ~UpcastLayer() override {
    cudaFree(w13.data);
    cudaFree(w2.data);
    cudaFree(border);
  }
  uint64_t bytes() const override { return held; }
};

Tuning or_chosen(const Tuning& wanted, const Tuning& chosen) {
  const auto pick = [](int a, int b) { return a != 0 ? a : b; };
  return {wanted.row_groups != 0 ? wanted.wgmma : chosen.wgmma, pick(wanted.row_groups, chosen.row_groups), pick(wanted.tile_rows, chosen.tile_rows), pick(wanted.units, chosen.units), pick(wanted.stage_chunks, chosen.stage_chunks),
          pick(wanted.depth, chosen.depth), pick(wanted.blocks_per_sm, chosen.blocks_per_sm)};
}

/// By the mean rows of an expert that has any: the best measured on an H100 at T = 1, 8, 16, 32, 64, 128, 256 and 512 of the
/// Qwen3-30B-A3B layer, and at T = 8 and 64 of Nemotron-3-Super's and of H7168 I2048 E256 k8.
TuningOverride choose_tuning(const Pass& pass) {
  const double rows = static_cast<double>(pass.pairs()) / std::min(pass.experts, pass.pairs());
  if (pass.tokens == 1) return {{false, 1, 1, 1, 4, 3, 4}, {false, 1, 1, 1, 4, 3, 4}, {}};
  // With a longer I tiles of 8 rows are ahead from the start: Nemotron-3-Super T = 8 186 us against 208, H7168 I2048 491 against 525.
  if (rows <= 2 && pass.w2.chunks <= 12) return {{false, 1, 4, 1, 2, 2, 4}, {false, 1, 4, 1, 4, 2, 4}, {}};
  // Up to 3 rows the decode kernels are ahead (2.5 rows, T = 32: 125 us against 148; 2.95 rows: about the same); at 4 the wgmma
  // ones are. Tiles of 8 rows cost T = 8 half a microsecond and split fewer experts.
  if (rows <= 3) return {{false, 1, 8, 1, 2, 2, 4}, {false, 1, 8, 1, 2, 2, 4}, {}};
  // Tiles that hold nearly every expert's rows at once: their weights are decoded once.
  if (rows <= 8) return {{true, 2, 0, 0, 2, 4, 2}, {true, 2, 0, 0, 2, 4, 2}, {}};
  if (rows <= 20) return {{true, 4, 0, 0, 2, kMostDepth, 3}, {true, 4, 0, 0, 2, kMostDepth, 3}, {}};
  return {{true, 6, 0, 0, 2, kMostDepth, 3}, {true, 6, 0, 0, 2, kMostDepth, 1}, {}};
}

/// Measured on an H100, routed pairs: Qwen3-30B-A3B gains 1 to 9 % at 8 to 32 and loses 5 % at 64, Nemotron-3-Super gains 21 % at 22
/// and loses 9 % at 44; H4096 I2688 E128 k8 relu2 gains 12 % at 8 to 64 and loses 4 % at 128: there items are long enough to hide
/// what surrounds them. Gated layers of that width were not measured above 32 and reach 90 % of the streamer without.
bool choose_fused(const Pass& pass) { return pass.pairs() <= 32 || (pass.pairs() <= 64 && !pass.gated && pass.hidden >= 4096 && pass.w2.chunks >= 24); }

class Upcast final : public KernelFamily {
 public:
  const char* name() const override { return "b12x-upcast"; }

  const char* refuses(const DeviceLayer& layer, const RunShape& shape) const override {
    if (layer.compute_major != 9) return "b12x-upcast runs on Hopper only (sm_90): its kernels use wgmma";
    if (shape.path != MOE_PATH_B12X) return "b12x-upcast runs the b12x path only";
    if (layer.experts > kMaxExperts) return "b12x-upcast handles up to 512 experts";
    if (layer.top_k > 64) return "b12x-upcast handles up to 64 experts a token";
    if (layer.hidden % 16 != 0 || layer.intermediate % 16 != 0) return "b12x-upcast needs H and I to be multiples of 16";
    return nullptr;
  }

  FamilyLayer* prepare(const DeviceLayer& layer) const override {
    auto own = std::make_unique<UpcastLayer>();
    const int fc1_rows = layer.gated ? 2 * layer.intermediate : layer.intermediate;
    own->w13 = {nullptr, layer.gated ? layer.intermediate / 16 : (fc1_rows + 31) / 32, (layer.hidden + 63) / 64};
    own->w2 = {nullptr, (layer.hidden + 31) / 32, (layer.intermediate + 63) / 64};
    own->held = own->w13.bytes(layer.experts) + own->w2.bytes(layer.experts) + kAlignment;
    const auto allocate = [&](auto*& memory, size_t bytes) {
      void* found = allocate_for_copy(bytes, own->held, "a second copy of the weights, in fragment order",
                                      "free device memory, or set MOESCOPE_CUDA_BODY=emulated, whose slower kernels need no copy");
      memory = static_cast<std::remove_reference_t<decltype(memory)>>(found);
    };
    for (PackedOperand* operand : {&own->w13, &own->w2}) allocate(operand->data, operand->bytes(layer.experts));
    allocate(own->border, kAlignment);
    check_cuda(cudaMemset(own->border, 0, kAlignment), "clearing the fused kernel's border");
    const DevicePath& path = layer.b12x;
    enqueue_pack(path.w13.packed, path.w13.scales, path.w13.scale_plane_bytes, layer.experts, fc1_rows, layer.hidden, layer.gated, own->w13, nullptr);
    enqueue_pack(path.w2.packed, path.w2.scales, path.w2.scale_plane_bytes, layer.experts, layer.hidden, layer.intermediate, false, own->w2, nullptr);
    check_cuda(cudaDeviceSynchronize(), "putting the weights in fragment order");
    return own.release();
  }

  size_t workspace_bytes(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape) const override {
    return buffers(layer, *static_cast<const UpcastLayer*>(own), pass_tokens(layer, shape.tokens), nullptr, nullptr);
  }

  void enqueue(const DeviceLayer& layer, const FamilyLayer* own, const RunShape& shape, const DeviceBatch& batch, cudaStream_t stream, StageMarks* marks) const override {
    const int step = pass_tokens(layer, shape.tokens);
    for (int first = 0; first < shape.tokens; first += step) {
      enqueue_pass(layer, *static_cast<const UpcastLayer*>(own), shape, batch, first, std::min(step, shape.tokens - first), stream, marks);
    }
  }

 private:
  static int pass_tokens(const DeviceLayer& layer, int tokens) { return std::min(tokens, kMaxPairs / layer.top_k); }

  /// Lays the workspace out; @returns its bytes.
  static size_t buffers(const DeviceLayer& layer, const UpcastLayer& own, int tokens, void* workspace, Pass* pass) {
    const size_t pairs = static_cast<size_t>(tokens) * layer.top_k;
    const size_t x_rows = layer.b12x.shared_fc1_quantizer ? static_cast<size_t>(tokens) : pairs;
    // The wgmma kernels pad each expert's rows to a multiple of 8 (sorted_rows.cuh).
    const size_t sorted = (pairs + std::min<size_t>(pairs, static_cast<size_t>(layer.experts)) * 7) / 8 * 8;
    const size_t x_bytes = aligned(std::max(x_rows, sorted) * own.w13.chunks * 128);
    const size_t act_bytes = aligned(sorted * own.w2.chunks * 128);
    if (pass != nullptr) {
      auto* base = static_cast<uint8_t*>(workspace);
      pass->x_rows = base;
      pass->act_rows = base + x_bytes;
      pass->fc2 = reinterpret_cast<float*>(base + x_bytes + act_bytes);
    }
    const size_t fc2_bytes = aligned(pairs * layer.hidden * sizeof(float));
    const size_t arrival_bytes = tokens <= kArrivalTokens ? aligned(static_cast<size_t>(tokens) * own.w2.units * sizeof(int32_t)) : 0;
    if (pass != nullptr && arrival_bytes != 0) pass->arrivals = reinterpret_cast<int32_t*>(static_cast<uint8_t*>(workspace) + x_bytes + act_bytes + fc2_bytes);
    if (pass != nullptr) pass->pair_of_row = reinterpret_cast<int32_t*>(static_cast<uint8_t*>(workspace) + x_bytes + act_bytes + fc2_bytes + arrival_bytes);
    return x_bytes + act_bytes + fc2_bytes + arrival_bytes + aligned(sorted * sizeof(int32_t));
  }

  static void enqueue_pass(const DeviceLayer& layer, const UpcastLayer& own, const RunShape& shape, const DeviceBatch& batch, int first, int tokens, cudaStream_t stream, StageMarks* marks) {
    Pass pass;
    pass.tokens = tokens;
    pass.top_k = layer.top_k;
    pass.hidden = layer.hidden;
    pass.intermediate = layer.intermediate;
    pass.experts = layer.experts;
    pass.sm_count = layer.sm_count;
    pass.gated = layer.gated;
    pass.shared_x = layer.b12x.shared_fc1_quantizer;
    pass.overlapped = marks == nullptr;  // a stage's end can be seen only where the next kernel waits for it
    pass.activation = layer.activation;
    pass.swiglu_alpha = layer.swiglu_alpha;
    pass.swiglu_limit = layer.swiglu_limit;
    pass.quantizer = shape.kernel == MOE_KERNEL_DIRECT_MICRO ? BlockQuantizer::kDirectMicro : layer.gated ? BlockQuantizer::kB12xFast : BlockQuantizer::kB12xExact;
    pass.inverts_scale = shape.kernel == MOE_KERNEL_DIRECT_MICRO && layer.direct_micro_divides;
    pass.fc1_quantizer = layer.b12x.fc1_quantizer;
    pass.fc1_multiplier = layer.b12x.fc1_multiplier;
    pass.fc2_quantizer = layer.b12x.fc2_quantizer;
    pass.fc2_multiplier = layer.b12x.fc2_multiplier;
    pass.w13 = own.w13;
    pass.w2 = own.w2;
    const int64_t pair = static_cast<int64_t>(first) * layer.top_k;
    const int64_t x_row = pass.shared_x ? first : pair;
    const auto at = [](auto* base, int64_t offset) { return base == nullptr ? nullptr : base + offset; };
    pass.x = batch.x + static_cast<int64_t>(first) * layer.hidden;
    pass.topk_ids = batch.topk_ids + pair;
    pass.topk_weights = batch.topk_weights + pair;
    pass.y = batch.y + static_cast<int64_t>(first) * layer.hidden;
    pass.x_q = at(batch.x_q, x_row * (layer.hidden / 2));
    pass.x_sf = at(batch.x_sf, x_row * (layer.hidden / 16));
    pass.fc1_tap = at(batch.fc1, pair * (layer.gated ? 2 : 1) * layer.intermediate);
    pass.act_tap = at(batch.act, pair * layer.intermediate);
    pass.act_q = at(batch.act_q, pair * (layer.intermediate / 2));
    pass.act_sf = at(batch.act_sf, pair * (layer.intermediate / 16));
    buffers(layer, own, pass_tokens(layer, shape.tokens), batch.workspace, &pass);
    pass.fc2_tap = at(batch.fc2, pair * layer.hidden);
    if (pass.fc2_tap != nullptr) pass.fc2 = pass.fc2_tap;  // the tap is what finalize reads
    pass.border = own.border;

    // One kernel has no borders between stages to mark; the separate ones give the same bits.
    const FusedTuning& fused = tuning_override().fused;
    if (marks == nullptr && fused.use >= 0 && (fused.use > 0 || choose_fused(pass)) && enqueue_fused(pass, fused, stream)) return;

    const TuningOverride chosen = choose_tuning(pass);
    const Tuning fc1 = or_chosen(tuning_override().fc1, chosen.fc1);
    const Tuning fc2 = or_chosen(tuning_override().fc2, chosen.fc2);
    if (fc1.wgmma != fc2.wgmma) throw Error(code::kUsage, "FC1 and FC2 must both be launched with the wgmma kernels or neither: their rows lie differently");
    if (fc1.wgmma) pass.arrivals = nullptr;
    const auto mark = [&](const char* stage) {
      if (marks != nullptr) marks->after(stage, stream);
    };
    (fc1.wgmma ? enqueue_sorted_quantize : enqueue_quantize)(pass, stream);
    mark("quantize");
    (fc1.wgmma ? enqueue_wgmma_fc1 : enqueue_fc1)(pass, fc1, stream);
    mark("fc1");
    (fc2.wgmma ? enqueue_wgmma_fc2 : enqueue_fc2)(pass, fc2, stream);
    mark("fc2");
    if (pass.arrivals == nullptr) enqueue_finalize(pass, stream);
    mark("finalize");
  }
};

}  // namespace
}  // namespace hopper

const KernelFamily& b12x_upcast() {
  static const hopper::Upcast family;
  return family;
}

}  // namespace moe::cuda
