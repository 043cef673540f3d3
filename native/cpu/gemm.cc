#include "cpu/gemm.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/parallel/parallel.h"
#include "core/parallel/pool.h"
#include "core/provider/abi.h"

namespace moe::cpu {
namespace {

/// Panels of one task: enough work to hide a task's cost and the first panel's wait for memory, few enough to share two
/// experts over many threads.
constexpr int64_t kPanelsPerTask = 8;

/// One thread's memory, kept from task to task.
struct Scratch {
  Panel panel;
  std::vector<const ActivationBlock*> rows;
  std::vector<std::array<float, kPanel>> sums;
};

/// Which 16 outputs; expert -1: none.
struct PanelPlace {
  int32_t expert;
  int64_t first_output;
  /// A line of scales holds rows r, r + 32, r + 64 and r + 96: it is new to the first two panels of 128 rows only.
  bool fetches_scales() const { return first_output % 128 < 2 * kPanel; }
};

/// 16 outputs of one expert, for all of its rows.
class PanelTask {
 public:
  PanelTask(const GroupedGemm& gemm, const ExpertGroup& group, Scratch& scratch) : gemm_(gemm), group_(group), scratch_(scratch) {
    const int64_t* pairs = gemm.rows.pairs.data() + group.first;
    scratch.rows.resize(static_cast<size_t>(group.count));
    for (int64_t r = 0; r < group.count; ++r) scratch.rows[static_cast<size_t>(r)] = gemm.activations.row(pairs[r] / gemm.pairs_per_row);
    const int64_t blocks = gemm.weights.k / 16;
    slice_blocks_ = std::min(gemm.slice_blocks, blocks);
    few_ = gemm.kernels.few_rows != nullptr && group.count <= kFewRows && slice_blocks_ % kFewBlocks == 0 && blocks % slice_blocks_ == 0;
    scratch.sums.resize(static_cast<size_t>(group.count * (few_ ? blocks / slice_blocks_ : 1)));
  }

  /// @param next the panel to ask memory for meanwhile
  void run(int64_t first_output, const PanelPlace& next, const GemmSink& sink) {
    if (few_) few_rows(first_output, next, sink);
    else by_panels(first_output, next, sink);
  }

 private:
  /// All slices at once, weights decoded as they are multiplied.
  void few_rows(int64_t first_output, const PanelPlace& next, const GemmSink& sink) {
    const WeightOperand& weights = gemm_.weights;
    const int64_t row_bytes = weights.k / 2;
    const auto packed = [&](int32_t expert, int64_t output) { return weights.packed_plane(expert) + output * row_bytes; };
    const auto corner = [&](int32_t expert, int64_t output) { return weights.scale_plane(expert) + weights.layout.offset(output, 0); };
    const PanelSource source{packed(group_.expert, first_output), row_bytes, corner(group_.expert, first_output), weights.k / 16, slice_blocks_,
                             next.expert >= 0 ? packed(next.expert, next.first_output) : nullptr,
                             next.expert >= 0 && next.fetches_scales() ? corner(next.expert, next.first_output) : nullptr};
    gemm_.kernels.few_rows(source, scratch_.rows.data(), group_.count, sums());
    for (int64_t slice = 0; slice < source.blocks / slice_blocks_; ++slice) put(sink, slice, first_output, sums() + slice * group_.count);
  }

  /// Weights are decoded chunk by chunk, each is used by all rows before the next.
  void by_panels(int64_t first_output, const PanelPlace& next, const GemmSink& sink) {
    const WeightOperand& weights = gemm_.weights;
    const int64_t blocks = weights.k / 16;
    const int64_t row_bytes = weights.k / 2;
    const uint8_t* packed = weights.packed_plane(group_.expert) + first_output * row_bytes;
    const uint8_t* scales = weights.scale_plane(group_.expert);
    for (int64_t slice = 0, begin = 0; begin < blocks; ++slice, begin += slice_blocks_) {
      const int64_t end = std::min(blocks, begin + slice_blocks_);
      std::fill(scratch_.sums.begin(), scratch_.sums.end(), std::array<float, kPanel>{});
      for (int64_t block = begin; block < end; block += kChunk) {
        const int64_t count = std::min(kChunk, end - block);
        fetch_panel(next, block, count);
        gemm_.kernels.decode(packed + block * 8, row_bytes, count, scratch_.panel);
        gemm_.kernels.scales(scales + weights.layout.offset(first_output, block), count, scratch_.panel);
        gemm_.kernels.dot(scratch_.panel, 0, count, scratch_.rows.data(), block, group_.count, sums());
      }
      put(sink, slice, first_output, sums());
    }
  }

  float (*sums())[kPanel] { return reinterpret_cast<float(*)[kPanel]>(scratch_.sums.data()); }

  void put(const GemmSink& sink, int64_t slice, int64_t first_output, const float (*acc)[kPanel]) const {
    sink({group_.expert, slice, first_output, {gemm_.rows.pairs.data() + group_.first, static_cast<size_t>(group_.count)}, acc});
  }

  /// Asks for `count` blocks' share of the bytes of a panel that comes later, in the order of memory: 16 streams of 64 bytes
  /// each would leave the processor waiting for every one of them. Inlined by force for the reason that `fetch` gives.
  [[gnu::always_inline]] void fetch_panel(const PanelPlace& next, int64_t block, int64_t count) const {
    const WeightOperand& weights = gemm_.weights;
    if (next.expert < 0) return;
    const uint8_t* packed = weights.packed_plane(next.expert) + next.first_output * (weights.k / 2) + block * 8 * kPanel;
    fetch(packed, count * 8 * kPanel);
    if (!next.fetches_scales()) return;
    const uint8_t* scales = weights.scale_plane(next.expert);
    for (int64_t column = block; column < block + count; column += 4) fetch(scales + weights.layout.offset(next.first_output, column), kCornerBytes);
  }

  const GroupedGemm& gemm_;
  const ExpertGroup& group_;
  Scratch& scratch_;
  int64_t slice_blocks_;
  bool few_;
};

}  // namespace

void grouped_gemm(const GroupedGemm& gemm, const GemmSink& sink) {
  const int64_t panels = gemm.weights.n / kPanel;
  const int64_t tasks_per_group = (panels + kPanelsPerTask - 1) / kPanelsPerTask;
  const int64_t tasks = tasks_per_group * static_cast<int64_t>(gemm.rows.groups.size());
  const auto first_of = [&](int64_t task) { return PanelPlace{gemm.rows.groups[task / tasks_per_group].expert, task % tasks_per_group * kPanelsPerTask * kPanel}; };
  // Tasks are taken in turn, so a thread's next one is most likely as many further as there are threads.
  const int64_t turn = thread_count();
  run_tasks(tasks, [&](int64_t task) {
    abi::check_cancel(gemm.batch);
    thread_local Scratch scratch;
    PanelTask panel(gemm, gemm.rows.groups[task / tasks_per_group], scratch);
    const PanelPlace first = first_of(task);
    const int64_t end = std::min(panels * kPanel, first.first_output + kPanelsPerTask * kPanel);
    for (int64_t output = first.first_output; output < end; output += kPanel) {
      const PanelPlace after = task + turn < tasks ? first_of(task + turn) : PanelPlace{-1, 0};
      panel.run(output, output + kPanel < end ? PanelPlace{first.expert, output + kPanel} : after, sink);
    }
  });
}

}  // namespace moe::cpu
