#include "cuda/b12x/plan.h"

#include <algorithm>

#include "cuda/b12x/grouped.h"

namespace moe::cuda::b12x {
namespace {

constexpr size_t kChunkBytes = size_t{512} << 20U;

size_t reserve(size_t& end, size_t bytes) {
  const size_t at = end;
  end = (end + bytes + 255U) / 256U * 256U;
  return at;
}

}  // namespace

Plan make_plan(const DeviceLayer& layer, const RunShape& shape) {
  Plan plan;
  plan.arithmetic = choose_arithmetic(layer, shape);
  plan.slices = plan.arithmetic.by_slice ? (layer.intermediate + kSliceWidth - 1) / kSliceWidth : 1;
  plan.keeps_contributions = shape.deterministic && !plan.arithmetic.direct_micro;
  plan.shared_x = layer.b12x.shared_fc1_quantizer;

  const auto top_k = static_cast<size_t>(layer.top_k);
  const auto hidden = static_cast<size_t>(layer.hidden);
  const auto intermediate = static_cast<size_t>(layer.intermediate);
  const size_t x_rows = plan.shared_x ? 1 : top_k;  // of a token
  const size_t contribution = plan.keeps_contributions ? static_cast<size_t>(plan.slices) * hidden * 2 : 0;
  const size_t token_bytes = x_rows * (hidden / 2 + hidden / 16) + top_k * (intermediate / 2 + intermediate / 16 + contribution);
  const auto chunk = std::clamp(kChunkBytes / token_bytes, size_t{1}, static_cast<size_t>(shape.tokens));
  plan.chunk_tokens = static_cast<int>(chunk);

  const size_t pairs = chunk * top_k;
  const auto experts = static_cast<size_t>(layer.experts);
  if (!plan.arithmetic.direct_micro) {
    plan.offsets = reserve(plan.bytes, (experts + 1) * sizeof(int32_t));
    plan.tile_offsets = reserve(plan.bytes, (experts + 1) * sizeof(int32_t));
    plan.pairs = reserve(plan.bytes, pairs * sizeof(int32_t));
    plan.sort_scratch = reserve(plan.bytes, expert_rows_scratch_bytes(static_cast<int>(pairs), layer.experts));
  }
  plan.x_q = reserve(plan.bytes, chunk * x_rows * hidden / 2);
  plan.x_sf = reserve(plan.bytes, chunk * x_rows * hidden / 16);
  plan.act_q = reserve(plan.bytes, pairs * intermediate / 2);
  plan.act_sf = reserve(plan.bytes, pairs * intermediate / 16);
  plan.contributions = reserve(plan.bytes, pairs * contribution);
  return plan;
}

}  // namespace moe::cuda::b12x
