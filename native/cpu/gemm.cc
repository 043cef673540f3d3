#include "cpu/gemm.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/parallel/pool.h"
#include "core/provider/abi.h"

namespace moe::cpu {
namespace {

/// Panels of one task: enough work to hide a task's cost and the first panel's wait for memory, few enough to share two
/// experts over many threads.
constexpr int64_t kPanelsPerTask = 8;
constexpr int64_t kLine = 64;


/// One thread's memory, kept from task to task.
struct Scratch {
  Panel panel;
  std::vector<const ActivationBlock*> rows;
  std::vector<std::array<float, kPanel>> sums;
};

/// 16 outputs of one expert: weights are decoded chunk by chunk, each is used by all rows before the next.
class PanelTask {
 public:
  PanelTask(const GroupedGemm& gemm, const ExpertGroup& group, Scratch& scratch) : gemm_(gemm), group_(group), scratch_(scratch) {
    const int64_t* pairs = gemm.rows.pairs.data() + group.first;
    scratch.rows.resize(static_cast<size_t>(group.count));
    scratch.sums.resize(static_cast<size_t>(group.count));
    for (int64_t r = 0; r < group.count; ++r) scratch.rows[static_cast<size_t>(r)] = gemm.activations.row(pairs[r] / gemm.pairs_per_row);
  }

  void run(int64_t first_output, const GemmSink& sink) {
    const WeightOperand& weights = gemm_.weights;
    const int64_t blocks = weights.k / 16;
    const int64_t row_bytes = weights.k / 2;
    const uint8_t* packed = weights.packed_plane(group_.expert) + first_output * row_bytes;
    const uint8_t* scales = weights.scale_plane(group_.expert);
    auto* sums = reinterpret_cast<float(*)[kPanel]>(scratch_.sums.data());
    for (int64_t slice = 0, begin = 0; begin < blocks; ++slice, begin += gemm_.slice_blocks) {
      const int64_t end = std::min(blocks, begin + gemm_.slice_blocks);
      std::fill(scratch_.sums.begin(), scratch_.sums.end(), std::array<float, kPanel>{});
      for (int64_t block = begin; block < end; block += kChunk) {
        const int64_t count = std::min(kChunk, end - block);
        fetch_panel(first_output + kPanel, block, count);
        gemm_.kernels.decode(packed + block * 8, row_bytes, count, scratch_.panel);
        gemm_.kernels.scales(scales + weights.layout.offset(first_output, block), count, scratch_.panel);
        gemm_.kernels.dot(scratch_.panel, 0, count, scratch_.rows.data(), block, group_.count, sums);
      }
      sink({group_.expert, slice, first_output, {gemm_.rows.pairs.data() + group_.first, static_cast<size_t>(group_.count)}, sums});
    }
  }

 private:
  /// Asks for `count` blocks' share of the bytes of a panel that comes later, in the order of memory: 16 streams of 64 bytes
  /// each would leave the processor waiting for every one of them.
  /// Inlined by force: GCC 12 takes a function that only prefetches for one without effect and drops its calls.
  [[gnu::always_inline]] void fetch_panel(int64_t first_output, int64_t block, int64_t count) const {
    const WeightOperand& weights = gemm_.weights;
    if (first_output >= weights.n) return;
    const uint8_t* packed = weights.packed_plane(group_.expert) + first_output * (weights.k / 2) + block * 8 * kPanel;
    for (int64_t at = 0; at < count * 8 * kPanel; at += kLine) __builtin_prefetch(packed + at, 0, 2);
    // A line of scales holds rows r, r + 32, r + 64 and r + 96: it is new to the first two panels of 128 rows only.
    if (first_output % 128 >= 2 * kPanel) return;
    const uint8_t* scales = weights.scale_plane(group_.expert);
    for (int64_t column = block; column < block + count; column += 4) {
      const uint8_t* corner = scales + weights.layout.offset(first_output, column);
      for (int64_t at = 0; at < 16 * kPanel; at += kLine) __builtin_prefetch(corner + at, 0, 2);
    }
  }

  const GroupedGemm& gemm_;
  const ExpertGroup& group_;
  Scratch& scratch_;
};

}  // namespace

void grouped_gemm(const GroupedGemm& gemm, const GemmSink& sink) {
  const int64_t panels = gemm.weights.n / kPanel;
  const int64_t tasks_per_group = (panels + kPanelsPerTask - 1) / kPanelsPerTask;
  run_tasks(tasks_per_group * static_cast<int64_t>(gemm.rows.groups.size()), [&](int64_t task) {
    abi::check_cancel(gemm.batch);
    thread_local Scratch scratch;
    PanelTask panel(gemm, gemm.rows.groups[task / tasks_per_group], scratch);
    const int64_t first = task % tasks_per_group * kPanelsPerTask;
    for (int64_t p = first; p < std::min(panels, first + kPanelsPerTask); ++p) panel.run(p * kPanel, sink);
  });
}

}  // namespace moe::cpu
