#include "cpu/gemm.h"

#include <algorithm>
#include <array>
#include <memory>

#include "core/formats/e4m3.h"
#include "core/parallel/pool.h"
#include "core/provider/abi.h"

namespace moe::cpu {
namespace {

/// Panels of one task: enough work to hide a task's cost, few enough to share two experts over many threads.
constexpr int64_t kPanelsPerTask = 4;

/// E4M3 values / 4: doubled weight codes times doubled activation codes are four times the product.
constexpr std::array<float, 256> make_quarters() {
  std::array<float, 256> table{};
  for (int byte = 0; byte < 256; ++byte) table[byte] = e4m3_decode(static_cast<uint8_t>(byte)) * 0.25F;
  return table;
}
constexpr std::array<float, 256> kQuarters = make_quarters();

/// Memory of one decoded panel, aligned for 64-byte loads.
class PanelMemory {
 public:
  explicit PanelMemory(int64_t blocks) : codes_(new (std::align_val_t{64}) uint8_t[blocks * 256]), scales_(new (std::align_val_t{64}) float[blocks * kPanel]) {}
  Panel panel() const { return {codes_.get(), scales_.get()}; }

 private:
  struct Free {
    void operator()(void* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
  };
  std::unique_ptr<uint8_t[], Free> codes_;
  std::unique_ptr<float[], Free> scales_;
};

/// In the 128x4 layout 16 rows that start at a multiple of 16 lie 16 bytes apart, and 4 columns of a row side by side, so
/// one offset serves 64 scales.
void decode_scales(const WeightOperand& weights, int64_t expert, int64_t first_output, float* scales) {
  const uint8_t* plane = weights.scale_plane(expert);
  const int64_t blocks = weights.k / 16;
  for (int64_t first = 0; first < blocks; first += 4) {
    const uint8_t* corner = plane + weights.layout.offset(first_output, first);
    for (int64_t block = first; block < std::min(blocks, first + 4); ++block) {
      for (int64_t output = 0; output < kPanel; ++output) scales[block * kPanel + output] = kQuarters[corner[output * 16 + (block - first)]];
    }
  }
}

void apply_panel(const GroupedGemm& gemm, const ExpertGroup& group, const Panel& panel, int64_t first_output, const GemmSink& sink) {
  const int64_t blocks = gemm.weights.k / 16;
  ActivationRow rows[kMaxRows];
  float out[kMaxRows][kPanel];
  for (int64_t first = 0; first < group.count; first += kMaxRows) {
    const int count = static_cast<int>(std::min<int64_t>(kMaxRows, group.count - first));
    const int64_t* pairs = gemm.rows.pairs.data() + group.first + first;
    for (int r = 0; r < count; ++r) rows[r] = gemm.activations.row(pairs[r] / gemm.pairs_per_row);
    for (int64_t slice = 0, block = 0; block < blocks; ++slice, block += gemm.slice_blocks) {
      gemm.kernels.dot(panel, block, std::min(blocks, block + gemm.slice_blocks), rows, count, out);
      for (int r = 0; r < count; ++r) sink(group.expert, pairs[r], slice, first_output, out[r]);
    }
  }
}

}  // namespace

void grouped_gemm(const GroupedGemm& gemm, const GemmSink& sink) {
  const WeightOperand& weights = gemm.weights;
  const int64_t blocks = weights.k / 16;
  const int64_t panels = weights.n / kPanel;
  const int64_t tasks_per_group = (panels + kPanelsPerTask - 1) / kPanelsPerTask;
  run_tasks(tasks_per_group * static_cast<int64_t>(gemm.rows.groups.size()), [&](int64_t task) {
    abi::check_cancel(gemm.batch);
    const ExpertGroup& group = gemm.rows.groups[task / tasks_per_group];
    const int64_t first_panel = task % tasks_per_group * kPanelsPerTask;
    const PanelMemory memory(blocks);
    const Panel panel = memory.panel();
    for (int64_t p = first_panel; p < std::min(panels, first_panel + kPanelsPerTask); ++p) {
      const int64_t row_bytes = weights.k / 2;
      gemm.kernels.decode(weights.packed_plane(group.expert) + p * kPanel * row_bytes, row_bytes, blocks, panel.codes);
      decode_scales(weights, group.expert, p * kPanel, panel.scales);
      apply_panel(gemm, group, panel, p * kPanel, sink);
    }
  });
}

}  // namespace moe::cpu
