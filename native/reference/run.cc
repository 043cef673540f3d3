#include "reference/run.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/formats/bf16.h"
#include "core/parallel/pool.h"
#include "core/routing/expert_rows.h"
#include "reference/gemm.h"

namespace moe::reference {
namespace {

/// FC2 results kept at once; longer batches go through in chunks of tokens, which changes no result.
constexpr int64_t kChunkBytes = int64_t{256} << 20;

struct Taps {
  uint8_t *x_q, *x_sf, *act_q, *act_sf;
  double *fc1, *act, *fc2;
};

/// Where row r of `base` lies, or null for a tap that is not wanted.
template <class T>
T* row(T* base, int64_t index, int64_t width) {
  return base == nullptr ? nullptr : base + index * width;
}

class Run {
 public:
  Run(const Layer& layer, const moe_batch& batch, const abi::Outputs& outputs)
      : layer_(layer), batch_(batch), experts_(layer.experts(static_cast<moe_path>(batch.path))) {
    const moe_layer_desc& shape = layer.shape();
    hidden_ = shape.hidden;
    intermediate_ = shape.intermediate;
    fc1_width_ = (shape.gated != 0 ? 2 : 1) * intermediate_;
    top_k_ = shape.top_k;
    const int64_t pairs = batch.tokens * top_k_;
    shared_x_ = experts_.shared_x_scale();
    const int64_t x_rows = shared_x_ ? batch.tokens : pairs;
    y_ = static_cast<double*>(outputs.require("y", MOE_F64, {batch.tokens, hidden_}));
    const bool quantized = layer.quantizes_activations();
    const auto quantized_tap = [&](int32_t tap, const char* name, moe_dtype dtype, std::vector<int64_t> dims) {
      return quantized ? static_cast<uint8_t*>(outputs.tap(tap, name, dtype, dims)) : nullptr;
    };
    taps_.x_q = quantized_tap(MOE_TAP_X_Q, "x_q", MOE_U8, {x_rows, hidden_ / 2});
    taps_.x_sf = quantized_tap(MOE_TAP_X_SF, "x_sf", MOE_F8_E4M3, {x_rows, hidden_ / 16});
    taps_.fc1 = static_cast<double*>(outputs.tap(MOE_TAP_FC1, "fc1", MOE_F64, {pairs, fc1_width_}));
    taps_.act = static_cast<double*>(outputs.tap(MOE_TAP_ACT, "act", MOE_F64, {pairs, intermediate_}));
    taps_.act_q = quantized_tap(MOE_TAP_ACT_Q, "act_q", MOE_U8, {pairs, intermediate_ / 2});
    taps_.act_sf = quantized_tap(MOE_TAP_ACT_SF, "act_sf", MOE_F8_E4M3, {pairs, intermediate_ / 16});
    taps_.fc2 = static_cast<double*>(outputs.tap(MOE_TAP_FC2, "fc2", MOE_F64, {pairs, hidden_}));
  }

  void chunk(int64_t first_token, int64_t tokens) {
    const int64_t first_pair = first_token * top_k_;
    const ExpertRows rows = group_by_expert(batch_.topk_ids + first_pair, tokens * top_k_, layer_.shape().experts);
    std::vector<double> fc2(tokens * top_k_ * hidden_);
    for (const ExpertGroup& group : rows.groups) {
      abi::check_cancel(batch_);
      run_expert(rows, group, first_pair, fc2.data());
    }
    run_tasks(tokens, [&](int64_t t) { finalize(first_token + t, fc2.data() + t * top_k_ * hidden_); });
  }

 private:
  void run_expert(const ExpertRows& rows, const ExpertGroup& group, int64_t first_pair, double* fc2) {
    const Expert& expert = experts_.experts[group.expert];
    const int64_t count = group.count;
    const int64_t* pairs = rows.pairs.data() + group.first;

    std::vector<double> x(count * hidden_);
    run_tasks(count, [&](int64_t r) {
      const uint16_t* source = batch_.x + (first_pair + pairs[r]) / top_k_ * hidden_;
      for (int64_t i = 0; i < hidden_; ++i) x[r * hidden_ + i] = bf16_decode(source[i]);
    });

    std::vector<double> fc1(count * fc1_width_);
    apply_fc1(expert.up, pairs, count, first_pair, x.data(), fc1.data(), true);
    if (expert.gate.packed != nullptr) {
      apply_fc1(expert.gate, pairs, count, first_pair, x.data(), fc1.data() + intermediate_, false);
    }

    std::vector<double> act(count * intermediate_);
    const ActivationSpec spec = layer_.activation();
    run_tasks(count, [&](int64_t r) {
      const double* up = fc1.data() + r * fc1_width_;
      const double* gate = up + intermediate_;
      double* out = act.data() + r * intermediate_;
      const bool gated = expert.gate.packed != nullptr;
      for (int64_t i = 0; i < intermediate_; ++i) out[i] = gated ? gated_activation(spec, gate[i], up[i]) : relu2(up[i]);
      copy_tap(taps_.fc1, first_pair + pairs[r], up, fc1_width_);
      copy_tap(taps_.act, first_pair + pairs[r], out, intermediate_);
    });

    std::vector<double> result(count * hidden_);
    if (layer_.quantizes_activations()) {
      ExactRows quantized(count, intermediate_);
      run_tasks(count, [&](int64_t r) {
        quantized.quantize(r, act.data() + r * intermediate_, expert.down.divider, row(taps_.act_q, first_pair + pairs[r], intermediate_ / 2),
                           row(taps_.act_sf, first_pair + pairs[r], intermediate_ / 16));
      });
      apply(expert.down, hidden_, intermediate_, {&quantized, nullptr}, count, result.data(), hidden_);
    } else {
      apply(expert.down, hidden_, intermediate_, {nullptr, act.data()}, count, result.data(), hidden_);
    }
    for (int64_t r = 0; r < count; ++r) {
      std::copy_n(result.data() + r * hidden_, hidden_, fc2 + pairs[r] * hidden_);
      copy_tap(taps_.fc2, first_pair + pairs[r], result.data() + r * hidden_, hidden_);
    }
  }

  /// `tapped`: x_q and x_sf show the input of `up`; gate's differs only where a checkpoint gives it another input scale.
  void apply_fc1(const Projection& projection, const int64_t* pairs, int64_t count, int64_t first_pair, const double* x, double* out, bool tapped) {
    if (!layer_.quantizes_activations()) {
      apply(projection, intermediate_, hidden_, {nullptr, x}, count, out, fc1_width_);
      return;
    }
    ExactRows quantized(count, hidden_);
    run_tasks(count, [&](int64_t r) {
      const int64_t pair = first_pair + pairs[r];
      // A shared row is written by every pair of its token: the same bytes, so only its first slot writes them.
      const bool writes = tapped && (!shared_x_ || pair % top_k_ == 0);
      const int64_t index = shared_x_ ? pair / top_k_ : pair;
      quantized.quantize(r, x + r * hidden_, projection.divider, writes ? row(taps_.x_q, index, hidden_ / 2) : nullptr,
                         writes ? row(taps_.x_sf, index, hidden_ / 16) : nullptr);
    });
    apply(projection, intermediate_, hidden_, {&quantized, nullptr}, count, out, fc1_width_);
  }

  static void copy_tap(double* base, int64_t index, const double* source, int64_t width) {
    if (base != nullptr) std::copy_n(source, width, base + index * width);
  }

  void finalize(int64_t token, const double* fc2) {
    double* y = y_ + token * hidden_;
    std::fill_n(y, hidden_, 0.0);
    for (int64_t slot = 0; slot < top_k_; ++slot) {
      const double weight = batch_.topk_weights[token * top_k_ + slot];
      for (int64_t h = 0; h < hidden_; ++h) y[h] += weight * fc2[slot * hidden_ + h];
    }
  }

  const Layer& layer_;
  const moe_batch& batch_;
  const Experts& experts_;
  int64_t hidden_, intermediate_, fc1_width_, top_k_;
  bool shared_x_;
  double* y_;
  Taps taps_{};
};

}  // namespace

void run_batch(const Layer& layer, const moe_batch& batch, const abi::Outputs& outputs) {
  const auto start = std::chrono::steady_clock::now();
  abi::check_batch(batch, layer.shape());
  Run run(layer, batch, outputs);
  const int64_t pair_bytes = static_cast<int64_t>(layer.shape().top_k) * layer.shape().hidden * static_cast<int64_t>(sizeof(double));
  const int64_t step = std::max<int64_t>(1, kChunkBytes / pair_bytes);
  for (int64_t token = 0; token < batch.tokens; token += step) run.chunk(token, std::min<int64_t>(step, batch.tokens - token));
  outputs.workspace(static_cast<uint64_t>(std::min<int64_t>(step, batch.tokens) * pair_bytes));
  const std::chrono::duration<double, std::micro> elapsed = std::chrono::steady_clock::now() - start;
  outputs.time("total", elapsed.count());
}

}  // namespace moe::reference
