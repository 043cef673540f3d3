#include "cuda/check/reference.h"

#include <algorithm>

#include "core/activation/activation.h"
#include "core/formats/bf16.h"
#include "core/formats/e2m1.h"
#include "core/formats/e4m3.h"
#include "core/parallel/parallel.h"

namespace moe::cuda::checking {
namespace {

constexpr int kSliceBlocks = 128 / 16;
constexpr int64_t kColumnsATask = 32;

size_t index(int64_t row, int64_t width, int64_t column) { return static_cast<size_t>(row * width + column); }

/// Doubled codes and scales of rows of K.
struct DecodedRows {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  DecodedRows(const uint8_t* packed, const uint8_t* sf, int64_t rows, int64_t k) : codes(static_cast<size_t>(rows * k)), scales(static_cast<size_t>(rows * k / 16)) {
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = kE2m1Halves[fp4_at(packed, static_cast<int64_t>(i))];
    for (size_t i = 0; i < scales.size(); ++i) scales[i] = e4m3_decode(sf[i]);
  }
};

/// Calls sink(expert, pair, slice, column, exact, in_block_order) for each sum of `slice_blocks` blocks along K.
template <class Sink>
void grouped_dots(const HostOperand& weights, const ExpertRows& rows, const DecodedRows& activations, int64_t pairs_per_row, int64_t slice_blocks, const Sink& sink) {
  const int64_t k = weights.k;
  const int64_t blocks = k / 16;
  const int64_t tasks = (weights.n + kColumnsATask - 1) / kColumnsATask;
  parallel_for(tasks * static_cast<int64_t>(rows.groups.size()), Task{}, [&](int64_t task) {
    const ExpertGroup& group = rows.groups[static_cast<size_t>(task / tasks)];
    const int64_t first = task % tasks * kColumnsATask;
    for (int64_t n = first; n < std::min<int64_t>(weights.n, first + kColumnsATask); ++n) {
      const int64_t weight_row = static_cast<int64_t>(group.expert) * weights.n + n;
      const DecodedRows weight(weights.packed.data() + weight_row * (k / 2), weights.scales.data() + weight_row * blocks, 1, k);
      for (int64_t r = 0; r < group.count; ++r) {
        const int64_t pair = rows.pairs[static_cast<size_t>(group.first + r)];
        const int8_t* codes = activations.codes.data() + pair / pairs_per_row * k;
        const float* scales = activations.scales.data() + pair / pairs_per_row * blocks;
        for (int64_t slice = 0, block = 0; block < blocks; ++slice) {
          double exact = 0;
          float ordered = 0;
          for (const int64_t end = std::min(blocks, block + slice_blocks); block < end; ++block) {
            int32_t dot = 0;
            for (int64_t i = block * 16; i < block * 16 + 16; ++i) dot += static_cast<int32_t>(weight.codes[static_cast<size_t>(i)]) * static_cast<int32_t>(codes[i]);
            // Exact in fp32: 12 bits times 4 times 4 (cpu/dot.h).
            const float term = static_cast<float>(dot) * (scales[block] * (weight.scales[static_cast<size_t>(block)] * 0.25F));
            exact += static_cast<double>(term);
            ordered += term;
          }
          sink(group.expert, pair, slice, n, exact, ordered);
        }
      }
    }
  });
}

ExpertRows group(const HostLayer& layer, const HostBatch& batch) {
  return group_by_expert(batch.topk_ids.data(), static_cast<int64_t>(batch.topk_ids.size()), layer.one.experts);
}

BlockDifferences compare_row(const HostQuantizer& how, const float* x, int64_t k, float scale, const uint8_t* codes, const uint8_t* scales) {
  BlockDifferences out;
  for (int64_t block = 0; block < k / 16; ++block) {
    const BlockDifferences one = compare_block(how, x + block * 16, scale, codes + block * 8, scales[block]);
    out.codes += one.codes;
    out.wrong += one.wrong;
  }
  return out;
}

BlockDifferences sum(const std::vector<BlockDifferences>& rows) {
  BlockDifferences out;
  for (const BlockDifferences& row : rows) {
    out.codes += row.codes;
    out.wrong += row.wrong;
  }
  return out;
}

/// y of the recipe from contributions [P, slices, H] (bf16) added by slot, then slice.
std::vector<uint16_t> add_contributions(const std::vector<uint16_t>& contributions, int64_t tokens, int64_t a_token, int64_t hidden) {
  std::vector<uint16_t> y(static_cast<size_t>(tokens * hidden));
  parallel_for(tokens, Task{}, [&](int64_t token) {
    for (int64_t c = 0; c < a_token; ++c) {
      for (int64_t h = 0; h < hidden; ++h) {
        uint16_t& sum = y[index(token, hidden, h)];
        sum = bf16_encode(bf16_decode(sum) + bf16_decode(contributions[index(token * a_token + c, hidden, h)]));
      }
    }
  });
  return y;
}

}  // namespace

BlockDifferences compare_x(const HostLayer& layer, const HostPath& path, const HostBatch& batch, const HostQuantizer& how, bool shared, const Tapped& tapped) {
  const int64_t hidden = layer.one.hidden;
  const int64_t top_k = layer.one.top_k;
  std::vector<BlockDifferences> rows(static_cast<size_t>(shared ? layer.one.tokens : layer.one.tokens * top_k));
  parallel_for(static_cast<int64_t>(rows.size()), Task{}, [&](int64_t row) {
    const int64_t pair = shared ? row * top_k : row;
    std::vector<float> x(static_cast<size_t>(hidden));
    for (int64_t i = 0; i < hidden; ++i) x[static_cast<size_t>(i)] = bf16_decode(batch.x[index(pair / top_k, hidden, i)]);
    const float scale = path.fc1_quantizer[static_cast<size_t>(batch.topk_ids[static_cast<size_t>(pair)])];
    rows[static_cast<size_t>(row)] = compare_row(how, x.data(), hidden, scale, tapped.x_q.data() + row * (hidden / 2), tapped.x_sf.data() + row * (hidden / 16));
  });
  return sum(rows);
}

BlockDifferences compare_act(const HostLayer& layer, const HostPath& path, const HostBatch& batch, const HostQuantizer& how, const Tapped& tapped) {
  const int64_t intermediate = layer.one.intermediate;
  std::vector<BlockDifferences> rows(batch.topk_ids.size());
  parallel_for(static_cast<int64_t>(rows.size()), Task{}, [&](int64_t pair) {
    const float scale = path.fc2_quantizer[static_cast<size_t>(batch.topk_ids[static_cast<size_t>(pair)])];
    rows[static_cast<size_t>(pair)] = compare_row(how, tapped.act.data() + pair * intermediate, intermediate, scale, tapped.act_q.data() + pair * (intermediate / 2),
                                                  tapped.act_sf.data() + pair * (intermediate / 16));
  });
  return sum(rows);
}

Fc1Reference reference_fc1(const HostLayer& layer, const HostPath& path, const HostBatch& batch, const Tapped& tapped, bool shared) {
  const int64_t width = layer.w13.n;
  const auto pairs = static_cast<int64_t>(batch.topk_ids.size());
  const int64_t pairs_per_row = shared ? layer.one.top_k : 1;
  const DecodedRows x(tapped.x_q.data(), tapped.x_sf.data(), pairs / pairs_per_row, layer.one.hidden);
  Fc1Reference out;
  out.exact.resize(index(pairs, width, 0));
  out.in_block_order.resize(out.exact.size());
  grouped_dots(layer.w13, group(layer, batch), x, pairs_per_row, layer.one.hidden, [&](int32_t expert, int64_t pair, int64_t, int64_t n, double exact, float ordered) {
    const float multiplier = path.fc1_multiplier[static_cast<size_t>(expert)];
    out.exact[index(pair, width, n)] = exact * static_cast<double>(multiplier);
    out.in_block_order[index(pair, width, n)] = ordered * multiplier;
  });
  return out;
}

std::vector<double> reference_act(const HostLayer& layer, const std::vector<float>& fc1) {
  const int64_t intermediate = layer.one.intermediate;
  const int64_t width = layer.w13.n;
  const ActivationSpec spec{static_cast<moe_activation>(layer.one.activation), static_cast<double>(layer.swiglu_alpha), static_cast<double>(layer.swiglu_limit)};
  const auto pairs = static_cast<int64_t>(fc1.size()) / width;
  std::vector<double> out(index(pairs, intermediate, 0));
  for (int64_t pair = 0; pair < pairs; ++pair) {
    for (int64_t i = 0; i < intermediate; ++i) {
      const auto up = static_cast<double>(fc1[index(pair, width, i)]);
      out[index(pair, intermediate, i)] =
          layer.one.gated() ? gated_activation(spec, static_cast<double>(fc1[index(pair, width, intermediate + i)]), up) : relu2(up);
    }
  }
  return out;
}

Fc2Reference reference_fc2(const HostLayer& layer, const HostPath& path, const HostBatch& batch, const Tapped& tapped, const b12x::Arithmetic* recipe) {
  const int64_t hidden = layer.one.hidden;
  const int64_t top_k = layer.one.top_k;
  const int64_t intermediate = layer.one.intermediate;
  const auto pairs = static_cast<int64_t>(batch.topk_ids.size());
  const bool by_slice = recipe != nullptr && recipe->by_slice;
  const int64_t slice_blocks = by_slice ? kSliceBlocks : intermediate / 16;
  const int64_t slices = (intermediate / 16 + slice_blocks - 1) / slice_blocks;
  const DecodedRows act(tapped.act_q.data(), tapped.act_sf.data(), pairs, intermediate);
  Fc2Reference out;
  out.fc2.resize(index(pairs, hidden, 0));
  std::vector<uint16_t> contributions(recipe != nullptr ? index(pairs * slices, hidden, 0) : 0);
  grouped_dots(layer.w2, group(layer, batch), act, 1, slice_blocks, [&](int32_t expert, int64_t pair, int64_t slice, int64_t n, double exact, float ordered) {
    const float alpha = path.fc2_multiplier[static_cast<size_t>(expert)];
    out.fc2[index(pair, hidden, n)] += exact * static_cast<double>(alpha);
    if (contributions.empty()) return;
    const float weight = batch.topk_weights[static_cast<size_t>(pair)];
    const float added = by_slice ? bf16_round(ordered * alpha) * weight : bf16_round(ordered) * bf16_round(alpha * weight);
    contributions[index(pair * slices + slice, hidden, n)] = bf16_encode(added);
  });
  out.y.resize(index(pairs / top_k, hidden, 0));
  for (int64_t pair = 0; pair < pairs; ++pair) {
    for (int64_t h = 0; h < hidden; ++h) {
      out.y[index(pair / top_k, hidden, h)] += static_cast<double>(batch.topk_weights[static_cast<size_t>(pair)]) * out.fc2[index(pair, hidden, h)];
    }
  }
  if (recipe != nullptr) out.y_of_recipe = add_contributions(contributions, pairs / top_k, top_k * slices, hidden);
  return out;
}

}  // namespace moe::cuda::checking
