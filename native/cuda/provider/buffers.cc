#include "cuda/provider/buffers.h"

namespace moe::cuda {
namespace {

constexpr char kFewerTokens[] = "free device memory, or run fewer tokens";
constexpr size_t kAlignment = 256;
size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

/// Room for a little more than was asked, so that slowly growing batches do not move the buffers each time: the next multiple
/// of an eighth of the power of two below.
size_t roomy(size_t bytes) {
  size_t step = kAlignment;
  while (step * 16 <= bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

}  // namespace

RunSizes::RunSizes(const DeviceLayer& layer, int tokens, size_t workspace_bytes) {
  const auto rows = static_cast<size_t>(tokens);
  const auto pairs = rows * static_cast<size_t>(layer.top_k);
  x = y = aligned(rows * static_cast<size_t>(layer.hidden) * sizeof(uint16_t));
  topk_ids = aligned(pairs * sizeof(int32_t));
  topk_weights = aligned(pairs * sizeof(float));
  workspace = aligned(workspace_bytes);
}

bool RunBuffers::reserve(Runtime& runtime, const RunSizes& sizes) {
  if (sizes.total() <= memory_.bytes()) return false;
  memory_.release();  // first, so that both need not fit
  const auto allocate = [&](size_t bytes) { memory_ = DeviceMemory(runtime, bytes, "the run's buffers and workspace", kFewerTokens); };
  try {
    allocate(roomy(sizes.total()));
  } catch (const Error& error) {
    if (error.code() != code::kOutOfMemory) throw;
    allocate(sizes.total());
  }
  return true;
}

DeviceBatch RunBuffers::batch(const RunSizes& sizes) const {
  DeviceBatch out;
  uint8_t* next = memory_.data();
  const auto take = [&](size_t bytes) { return std::exchange(next, next + bytes); };
  out.x = reinterpret_cast<const uint16_t*>(take(sizes.x));
  out.topk_ids = reinterpret_cast<const int32_t*>(take(sizes.topk_ids));
  out.topk_weights = reinterpret_cast<const float*>(take(sizes.topk_weights));
  out.y = reinterpret_cast<uint16_t*>(take(sizes.y));
  take(sizes.y);  // second_y
  out.workspace = take(sizes.workspace);
  return out;
}

uint16_t* RunBuffers::second_y(const RunSizes& sizes) const { return batch(sizes).y + sizes.y / sizeof(uint16_t); }

TapBuffers::TapBuffers(Runtime& runtime, const DeviceLayer& layer, const moe_batch& batch, bool shared_x, const abi::Outputs& outputs) {
  const int64_t pairs = static_cast<int64_t>(batch.tokens) * layer.top_k;
  const int64_t x_rows = shared_x ? batch.tokens : pairs;
  const int64_t hidden = layer.hidden;
  const int64_t inner = layer.intermediate;
  size_t total = 0;
  const auto want = [&](int bit, const char* name, moe_dtype dtype, int64_t rows, int64_t columns) {
    void* host = outputs.tap(bit, name, dtype, {rows, columns});
    if (host == nullptr) return;
    const size_t bytes = static_cast<size_t>(rows * columns) * (dtype == MOE_F32 ? sizeof(float) : 1);
    taps_.push_back({bit, host, bytes, total});
    total += aligned(bytes);
    mask_ |= bit;
  };
  want(MOE_TAP_X_Q, "x_q", MOE_U8, x_rows, hidden / 2);
  want(MOE_TAP_X_SF, "x_sf", MOE_F8_E4M3, x_rows, hidden / 16);
  want(MOE_TAP_FC1, "fc1", MOE_F32, pairs, layer.gated ? 2 * inner : inner);
  want(MOE_TAP_ACT, "act", MOE_F32, pairs, inner);
  want(MOE_TAP_ACT_Q, "act_q", MOE_U8, pairs, inner / 2);
  want(MOE_TAP_ACT_SF, "act_sf", MOE_F8_E4M3, pairs, inner / 16);
  want(MOE_TAP_FC2, "fc2", MOE_F32, pairs, hidden);
  if (mask_ != MOE_TAP_NONE) memory_ = DeviceMemory(runtime, total, "the taps of the run", kFewerTokens);
}

void* TapBuffers::at(int bit) const {
  for (const Tap& tap : taps_) {
    if (tap.bit == bit) return memory_.data() + tap.offset;
  }
  return nullptr;
}

void TapBuffers::place(DeviceBatch& batch) const {
  batch.x_q = static_cast<uint8_t*>(at(MOE_TAP_X_Q));
  batch.x_sf = static_cast<uint8_t*>(at(MOE_TAP_X_SF));
  batch.fc1 = static_cast<float*>(at(MOE_TAP_FC1));
  batch.act = static_cast<float*>(at(MOE_TAP_ACT));
  batch.act_q = static_cast<uint8_t*>(at(MOE_TAP_ACT_Q));
  batch.act_sf = static_cast<uint8_t*>(at(MOE_TAP_ACT_SF));
  batch.fc2 = static_cast<float*>(at(MOE_TAP_FC2));
}

void TapBuffers::download(Runtime& runtime, Stream stream) const {
  for (const Tap& tap : taps_) check(runtime, runtime.download(tap.host, memory_.data() + tap.offset, tap.bytes, stream), "copying a tap to the host");
}

}  // namespace moe::cuda
