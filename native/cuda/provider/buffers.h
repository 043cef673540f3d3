// The device buffers of a layer's runs. They keep their addresses from run to run, so that captured graphs stay valid; only
// when a batch needs more does everything move, and the graphs have to be captured anew.
#pragma once

#include "core/provider/abi.h"
#include "cuda/launch.h"
#include "cuda/provider/checked.h"

namespace moe::cuda {

/// Sizes of one run's buffers in bytes, each rounded up to 256.
struct RunSizes {
  size_t x = 0, topk_ids = 0, topk_weights = 0, y = 0, workspace = 0;
  RunSizes(const DeviceLayer& layer, int tokens, size_t workspace_bytes);
  size_t total() const { return x + topk_ids + topk_weights + 2 * y + workspace; }
};

/// x, topk_ids, topk_weights, y, a second y and the workspace, in one piece of memory.
class RunBuffers {
 public:
  /// Makes room for `sizes`. @return true when the memory moved: graphs captured before hold dead addresses.
  /// @throws Error `out-of-memory`
  bool reserve(Runtime& runtime, const RunSizes& sizes);
  /// Where a run of these sizes finds its buffers; taps are null.
  DeviceBatch batch(const RunSizes& sizes) const;
  /// The y of a run that is only looked at: stage times and taps.
  uint16_t* second_y(const RunSizes& sizes) const;
  uint64_t bytes() const { return memory_.bytes(); }

 private:
  DeviceMemory memory_;
};

/// The taps of a run: device buffers, and where the host wants them.
class TapBuffers {
 public:
  /// Asks the sink for every tap of the batch's mask; those it declines are left out.
  /// @param shared_x x_q and x_sf have a row a token, not a row a routed pair
  /// @throws Error `out-of-memory`
  TapBuffers(Runtime& runtime, const DeviceLayer& layer, const moe_batch& batch, bool shared_x, const abi::Outputs& outputs);
  /// MOE_TAP_* that are wanted.
  int mask() const { return mask_; }
  void place(DeviceBatch& batch) const;
  void download(Runtime& runtime, Stream stream) const;

 private:
  struct Tap {
    int bit;
    void* host;
    size_t bytes, offset;
  };
  void* at(int bit) const;

  std::vector<Tap> taps_;
  DeviceMemory memory_;
  int mask_ = MOE_TAP_NONE;
};

}  // namespace moe::cuda
