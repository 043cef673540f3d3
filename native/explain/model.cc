#include "explain/model.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>

#include "core/activation/activation.h"
#include "core/error/error.h"
#include "core/formats/bf16.h"
#include "core/parallel/pool.h"
#include "core/quantize/quantize.h"
#include "core/random/philox.h"
#include "core/routing/expert_rows.h"
#include "cpu/rows.h"
#include "cpu/simd.h"
#include "explain/quantizers.h"
#include "explain/weights.h"

namespace moe::explain {
namespace {

constexpr int64_t kSliceBlocks = 128 / 16;
constexpr int64_t kOutputTile = 128;

/// A permutation of `order` drawn from (seed, place).
void shuffle(std::span<int64_t> order, uint64_t seed, uint64_t place) {
  std::iota(order.begin(), order.end(), order.empty() ? 0 : *std::min_element(order.begin(), order.end()));
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[philox(place * 4096 + i, seed)[0] % i]);
}

template <class Value>
Quantized quantize_rows(const GemmSpec& gemm, int64_t rows, int64_t k, float scale, const Value& value) {
  Quantized out{rows, k, std::vector<uint8_t>(static_cast<size_t>(rows * k / 2)), std::vector<uint8_t>(static_cast<size_t>(rows * k / 16))};
  run_tasks(rows, [&](int64_t r) {
    float block[kBlock];
    for (int64_t b = 0; b < k / kBlock; ++b) {
      for (int64_t i = 0; i < kBlock; ++i) block[i] = value(r * k + b * kBlock + i);
      const Fp4Block quantized = quantize_as(gemm.family, gemm.precision, block, scale);
      pack_codes(quantized.codes, out.packed.data() + r * (k / 2) + b * 8);
      out.sf[static_cast<size_t>(r * (k / kBlock) + b)] = quantized.sf;
    }
  });
  return out;
}

/// Outputs of one panel, all blocks of K decoded, [ceil(blocks / kChunk)].
using Panels = std::vector<cpu::Panel>;
using Rows = std::vector<const cpu::ActivationBlock*>;
using Sums = std::vector<std::array<float, cpu::kPanel>>;

void add_blocks(const cpu::Kernels& kernels, const Panels& panels, int64_t first, int64_t last, const Rows& rows, Sums& sums) {
  for (int64_t chunk = first / cpu::kChunk; chunk * cpu::kChunk < last; ++chunk) {
    const int64_t base = chunk * cpu::kChunk;
    kernels.dot(panels[static_cast<size_t>(chunk)], std::max(first - base, int64_t{0}), std::min(last - base, cpu::kChunk), rows.data(), base,
                static_cast<int64_t>(rows.size()), reinterpret_cast<float(*)[cpu::kPanel]>(sums.data()));
  }
}

/// Sums of blocks [first, last) for all rows: in block order, or in a drawn one.
void sum_blocks(const cpu::Kernels& kernels, const Panels& panels, int64_t first, int64_t last, const Rows& rows, uint64_t seed, uint64_t place, Sums& sums) {
  sums.assign(rows.size(), {});
  if (seed == 0) {
    add_blocks(kernels, panels, first, last, rows, sums);
    return;
  }
  std::vector<int64_t> order(static_cast<size_t>(last - first), first);
  shuffle(order, seed, place);
  Sums part;
  for (const int64_t block : order) {
    part.assign(rows.size(), {});
    add_blocks(kernels, panels, block, block + 1, rows, part);
    for (size_t r = 0; r < rows.size(); ++r) {
      for (size_t i = 0; i < cpu::kPanel; ++i) sums[r][i] += part[r][i];
    }
  }
}

}  // namespace

Model::Model(std::shared_ptr<const CheckpointLayer> layer) : layer_(std::move(layer)), kernels_(cpu::kernels(cpu::choose_simd())) {}

int64_t Model::slices(const Spec& spec) const { return spec.slices ? (shape().intermediate / 16 + kSliceBlocks - 1) / kSliceBlocks : 1; }

void Model::check(const RunInput& input) const {
  const auto tokens = static_cast<size_t>(input.tokens);
  const auto pairs = tokens * static_cast<size_t>(shape().top_k);
  if (input.tokens < 1 || input.x.size() != tokens * static_cast<size_t>(shape().hidden) || input.topk_ids.size() != pairs || input.topk_weights.size() != pairs) {
    throw Error(code::kUsage, "the batch does not fit the layer: x [T, H], topkIds and topkWeights [T, k] with T >= 1",
                {{"subject", std::string("batch")}, {"expected", "H " + std::to_string(shape().hidden) + ", k " + std::to_string(shape().top_k)}, {"found", std::to_string(input.tokens) + " tokens, " + std::to_string(input.x.size()) + " values, " + std::to_string(input.topk_ids.size()) + " ids"}});
  }
  for (const int32_t id : input.topk_ids) {
    if (id < 0 || id >= shape().experts) throw Error(code::kBadRouting, "expert " + std::to_string(id) + " is not in the layer", {{"subject", std::string("topkIds")}});
  }
}

Quantized Model::quantize_x(const Spec& spec, const RunInput& input) const {
  const float scale = GemmWeights(*layer_, spec, 0).quantizer_scale();
  return quantize_rows(spec.gemm[0], input.tokens, shape().hidden, scale, [&](int64_t i) { return bf16_decode(input.x[static_cast<size_t>(i)]); });
}

Quantized Model::quantize_act(const Spec& spec, const std::vector<float>& act) const {
  const int64_t k = shape().intermediate;
  const float scale = GemmWeights(*layer_, spec, 1).quantizer_scale();
  return quantize_rows(spec.gemm[1], static_cast<int64_t>(act.size()) / k, k, scale, [&](int64_t i) { return act[static_cast<size_t>(i)]; });
}

/// [pairs, slices, N] accumulators; FC1's have their multiplier already.
std::vector<float> Model::gemm(const Spec& spec, int site, const RunInput& input, const Quantized& activations, int64_t slice_blocks, uint64_t seed) const {
  const GemmWeights weights(*layer_, spec, site);
  const int64_t pairs = static_cast<int64_t>(input.topk_ids.size());
  const int64_t blocks = weights.k() / 16;
  const int64_t slices = (blocks + slice_blocks - 1) / slice_blocks;
  const int64_t pairs_per_row = pairs / activations.rows;
  const ExpertRows rows = group_by_expert(input.topk_ids.data(), pairs, shape().experts);
  cpu::QuantizedRows prepared(activations.rows, weights.k());
  run_tasks(activations.rows, [&](int64_t r) { prepared.set(r, activations.packed.data() + r * (weights.k() / 2), activations.sf.data() + r * blocks); });
  std::vector<float> out(static_cast<size_t>(pairs * slices * weights.n()));
  const int64_t panels = weights.n() / cpu::kPanel;
  run_tasks(static_cast<int64_t>(rows.groups.size()) * panels, [&](int64_t task) {
    const ExpertGroup& group = rows.groups[static_cast<size_t>(task / panels)];
    const int64_t first_output = task % panels * cpu::kPanel;
    Panels decoded(static_cast<size_t>((blocks + cpu::kChunk - 1) / cpu::kChunk));
    weights.decode(kernels_, group.expert, first_output, decoded);
    const int64_t* members = rows.pairs.data() + group.first;
    Rows batch;
    for (int64_t r = 0; r < group.count; ++r) batch.push_back(prepared.row(members[r] / pairs_per_row));
    Sums sums;
    for (int64_t slice = 0; slice < slices; ++slice) {
      const int64_t begin = slice * slice_blocks;
      const uint64_t place = static_cast<uint64_t>((group.expert * panels + task % panels) * slices + slice) * 2 + static_cast<uint64_t>(site);
      sum_blocks(kernels_, decoded, begin, std::min(blocks, begin + slice_blocks), batch, seed, place, sums);
      for (int64_t r = 0; r < group.count; ++r) {
        const bool dropped = spec.gemm[static_cast<size_t>(site)].rows_64_dropped && r % 128 >= 64;
        float* target = out.data() + (members[r] * slices + slice) * weights.n() + first_output;
        for (size_t i = 0; i < cpu::kPanel; ++i) target[i] = dropped ? 0.0F : sums[static_cast<size_t>(r)][i];
      }
    }
  });
  if (site == 0) {
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const float multiplier = weights.multiplier(input.topk_ids[static_cast<size_t>(pair)]);
      for (int64_t i = pair * weights.n(); i < (pair + 1) * weights.n(); ++i) {
        const float value = out[static_cast<size_t>(i)] * multiplier;
        out[static_cast<size_t>(i)] = spec.rounds_fc1 ? bf16_round(value) : value;
      }
    }
  }
  return out;
}

std::vector<float> Model::fc1(const Spec& spec, const RunInput& input, const Quantized& x, uint64_t seed) const { return gemm(spec, 0, input, x, shape().hidden, seed); }

std::vector<float> Model::fc2_sums(const Spec& spec, const RunInput& input, const Quantized& act, uint64_t seed) const {
  return gemm(spec, 1, input, act, spec.slices ? kSliceBlocks : shape().intermediate, seed);
}

std::vector<float> Model::activate(const Spec& spec, const std::vector<float>& fc1) const {
  const LayerShape& layer = shape();
  const ActivationSpec activation{layer.activation, layer.swiglu_alpha, layer.swiglu_limit};
  const int64_t width = layer.w13_rows();
  const int64_t pairs = static_cast<int64_t>(fc1.size()) / width;
  std::vector<float> out(static_cast<size_t>(pairs * layer.intermediate));
  run_tasks(pairs, [&](int64_t pair) {
    const float* up = fc1.data() + pair * width;
    const float* gate = up + layer.intermediate;
    for (int64_t i = 0; i < layer.intermediate; ++i) {
      const float value = layer.gated ? gated_activation(activation, gate[i], up[i]) : relu2(up[i]);
      out[static_cast<size_t>(pair * layer.intermediate + i)] = spec.rounds_act ? bf16_round(value) : value;
    }
  });
  return out;
}

std::vector<float> Model::fc2(const Spec& spec, const RunInput& input, const std::vector<float>& sums) const {
  const GemmWeights weights(*layer_, spec, 1);
  const int64_t hidden = shape().hidden;
  const int64_t parts = slices(spec);
  std::vector<float> out(input.topk_ids.size() * static_cast<size_t>(hidden));
  for (size_t pair = 0; pair < input.topk_ids.size(); ++pair) {
    const float alpha = weights.multiplier(input.topk_ids[pair]);
    float* target = out.data() + pair * static_cast<size_t>(hidden);
    for (int64_t slice = 0; slice < parts; ++slice) {
      const float* acc = sums.data() + (static_cast<int64_t>(pair) * parts + slice) * hidden;
      for (int64_t h = 0; h < hidden; ++h) {
        target[h] += spec.combines_weight ? (spec.rounds_fc2 ? bf16_round(acc[h]) : acc[h]) * alpha : spec.rounds_fc2 ? bf16_round(acc[h] * alpha) : acc[h] * alpha;
      }
    }
  }
  return out;
}

std::vector<uint16_t> Model::combine(const Spec& spec, const RunInput& input, const std::vector<float>& sums, uint64_t seed) const {
  const GemmWeights weights(*layer_, spec, 1);
  const int64_t hidden = shape().hidden;
  const int64_t parts = slices(spec);
  const int64_t top_k = shape().top_k;
  std::vector<uint16_t> y(static_cast<size_t>(input.tokens * hidden));
  run_tasks(input.tokens, [&](int64_t token) {
    std::vector<float> added(static_cast<size_t>(top_k * parts * hidden));
    for (int64_t part = 0; part < top_k * parts; ++part) {
      const int64_t pair = token * top_k + part / parts;
      const float alpha = weights.multiplier(input.topk_ids[static_cast<size_t>(pair)]);
      const float given = input.topk_weights[static_cast<size_t>(pair)];
      const float weight = spec.bf16_weights ? bf16_round(given) : given;
      const float factor = spec.rounds_factor ? bf16_round(alpha * weight) : alpha * weight;
      const float* acc = sums.data() + (pair * parts + part % parts) * hidden;
      float* out = added.data() + part * hidden;
      for (int64_t h = 0; h < hidden; ++h) {
        const float value = spec.combines_weight ? (spec.rounds_fc2 ? bf16_round(acc[h]) : acc[h]) * factor : (spec.rounds_fc2 ? bf16_round(acc[h] * alpha) : acc[h] * alpha) * weight;
        out[h] = spec.adds_bf16 ? bf16_round(value) : value;
      }
    }
    std::vector<int64_t> order(static_cast<size_t>(top_k * parts));
    for (int64_t first = 0; first < hidden; first += kOutputTile) {
      std::iota(order.begin(), order.end(), 0);
      if (seed != 0 && spec.adds_bf16) shuffle(order, seed, static_cast<uint64_t>(token * hidden + first));
      for (int64_t h = first; h < std::min(hidden, first + kOutputTile); ++h) {
        float sum = 0;
        for (const int64_t part : order) {
          sum += added[static_cast<size_t>(part * hidden + h)];
          if (spec.adds_bf16) sum = bf16_round(sum);
        }
        y[static_cast<size_t>(token * hidden + h)] = bf16_encode(sum);
      }
    }
  });
  return y;
}

std::vector<uint16_t> Model::run_output(const Spec& spec, const RunInput& input, uint64_t seed) const {
  return combine(spec, input, fc2_sums(spec, input, quantize_act(spec, activate(spec, fc1(spec, input, quantize_x(spec, input), seed))), seed), seed);
}

StageOutputs Model::run(const Spec& spec, const RunInput& input, uint64_t seed) const {
  StageOutputs out;
  out.x = quantize_x(spec, input);
  out.fc1 = fc1(spec, input, out.x, seed);
  out.act = activate(spec, out.fc1);
  out.act_q = quantize_act(spec, out.act);
  out.sums = fc2_sums(spec, input, out.act_q, seed);
  out.fc2 = fc2(spec, input, out.sums);
  out.y = combine(spec, input, out.sums, seed);
  return out;
}

}  // namespace moe::explain
