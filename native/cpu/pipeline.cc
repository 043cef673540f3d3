#include "cpu/pipeline.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "core/formats/bf16.h"
#include "core/parallel/parallel.h"
#include "core/parallel/pool.h"
#include "cpu/finalize.h"
#include "cpu/gemm.h"
#include "cpu/recipe.h"

namespace moe::cpu {
namespace {

/// Intermediates of a chunk of tokens stay near this size.
constexpr int64_t kChunkBytes = int64_t{256} << 20;
constexpr int64_t kSliceBlocks = 128 / 16;
constexpr int64_t kMostRowsPerTask = 16;

/// Adds up the time of one stage over all chunks.
class Stage {
 public:
  explicit Stage(double& microseconds) : total_(microseconds), start_(std::chrono::steady_clock::now()) {}
  ~Stage() { total_ += std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start_).count(); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

 private:
  double& total_;
  std::chrono::steady_clock::time_point start_;
};

struct Times {
  double quantize = 0, fc1 = 0, activation = 0, fc2 = 0, finalize = 0, total = 0;
};

template <class T>
T* row(T* base, int64_t index, int64_t width) {
  return base == nullptr ? nullptr : base + index * width;
}

template <class Body>
void for_rows(int64_t count, const Body& body) {
  const int64_t step = std::clamp<int64_t>(count / (4 * thread_count()), 1, kMostRowsPerTask);
  run_tasks((count + step - 1) / step, [&](int64_t task) {
    for (int64_t r = task * step; r < std::min(count, (task + 1) * step); ++r) body(r);
  });
}

class Run {
 public:
  Run(const Layer& layer, const moe_batch& batch, const abi::Outputs& outputs)
      : layer_(layer), batch_(batch), recipe_(choose_recipe(layer, batch)), spec_(layer.activation()) {
    const moe_layer_desc& shape = layer.shape();
    hidden_ = shape.hidden;
    intermediate_ = shape.intermediate;
    fc1_width_ = layer.fc1_width();
    top_k_ = shape.top_k;
    slices_ = recipe_.reduction == Reduction::kSlices ? (intermediate_ / 16 + kSliceBlocks - 1) / kSliceBlocks : 1;
    shared_x_ = recipe_.scales.shared_fc1_quantizer();
    const int64_t pairs = batch.tokens * top_k_;
    const int64_t x_rows = shared_x_ ? batch.tokens : pairs;
    y_ = static_cast<uint16_t*>(outputs.require("y", MOE_BF16, {batch.tokens, hidden_}));
    x_q_ = static_cast<uint8_t*>(outputs.tap(MOE_TAP_X_Q, "x_q", MOE_U8, {x_rows, hidden_ / 2}));
    x_sf_ = static_cast<uint8_t*>(outputs.tap(MOE_TAP_X_SF, "x_sf", MOE_F8_E4M3, {x_rows, hidden_ / 16}));
    fc1_ = static_cast<float*>(outputs.tap(MOE_TAP_FC1, "fc1", MOE_F32, {pairs, fc1_width_}));
    act_ = static_cast<float*>(outputs.tap(MOE_TAP_ACT, "act", MOE_F32, {pairs, intermediate_}));
    act_q_ = static_cast<uint8_t*>(outputs.tap(MOE_TAP_ACT_Q, "act_q", MOE_U8, {pairs, intermediate_ / 2}));
    act_sf_ = static_cast<uint8_t*>(outputs.tap(MOE_TAP_ACT_SF, "act_sf", MOE_F8_E4M3, {pairs, intermediate_ / 16}));
    fc2_ = static_cast<float*>(outputs.tap(MOE_TAP_FC2, "fc2", MOE_F32, {pairs, hidden_}));
  }

  /// Bytes of intermediates that one token needs.
  int64_t token_bytes() const { return top_k_ * (fc1_width_ * 4 + intermediate_ * 2 + hidden_ * 2 + slices_ * hidden_ * (fc2_ != nullptr ? 6 : 2)); }

  void chunk(int64_t first_token, int64_t tokens) {
    const int64_t pairs = tokens * top_k_;
    const int64_t first_pair = first_token * top_k_;
    const ExpertRows rows = group_by_expert(batch_.topk_ids + first_pair, pairs, layer_.shape().experts);
    QuantizedRows x(shared_x_ ? tokens : pairs, hidden_);
    // Written by FC1 before it is read, so it is not cleared.
    const auto fc1 = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(pairs * fc1_width_));
    QuantizedRows act(pairs, intermediate_);
    Finalizer finalizer(recipe_.reduction, tokens, top_k_, hidden_, slices_);
    finalizer.keep_fc2(fc2_ != nullptr);
    workspace_ = std::max(workspace_, x.bytes() + static_cast<uint64_t>(pairs * fc1_width_) * sizeof(float) + act.bytes() + finalizer.bytes());

    quantize_x(first_token, shared_x_ ? tokens : pairs, x);
    apply_fc1(rows, x, fc1.get());
    activate(first_pair, pairs, fc1.get(), act);
    apply_fc2(rows, first_pair, act, finalizer);
    finish(first_token, tokens, finalizer);
  }

  uint64_t workspace() const { return workspace_; }
  Times times;

 private:
  float quantizer_scale(const std::vector<float>& scales, int64_t pair) const {
    const float scale = scales[batch_.topk_ids[pair]];
    return recipe_.inverts_scale && scale != 0 ? 1.0F / scale : scale;
  }

  void quantize_x(int64_t first_token, int64_t count, QuantizedRows& x) {
    const Stage stage(times.quantize);
    for_rows(count, [&](int64_t r) {
      abi::check_cancel(batch_);
      const int64_t index = shared_x_ ? first_token + r : first_token * top_k_ + r;  // row of the taps
      const int64_t token = shared_x_ ? index : index / top_k_;
      std::vector<float> values(hidden_);
      for (int64_t i = 0; i < hidden_; ++i) values[i] = bf16_decode(batch_.x[token * hidden_ + i]);
      const float scale = quantizer_scale(recipe_.scales.fc1_quantizer, shared_x_ ? token * top_k_ : index);
      x.quantize(r, recipe_.quantizer, values.data(), scale, row(x_q_, index, hidden_ / 2), row(x_sf_, index, hidden_ / 16));
    });
  }

  void apply_fc1(const ExpertRows& rows, const QuantizedRows& x, float* fc1) {
    const Stage stage(times.fc1);
    const GroupedGemm gemm{layer_.simd(), recipe_.scales.w13, rows, x, shared_x_ ? top_k_ : 1, hidden_, batch_};
    grouped_gemm(gemm, [&](const GemmSums& sums) {
      const float multiplier = recipe_.scales.fc1_multiplier[sums.expert];
      for (size_t r = 0; r < sums.pairs.size(); ++r) {
        float* out = fc1 + sums.pairs[r] * fc1_width_ + sums.first_output;
        for (int i = 0; i < kPanel; ++i) out[i] = sums.acc[r][i] * multiplier;
        for (int i = 0; recipe_.rounds_fc1 && i < kPanel; ++i) out[i] = bf16_round(out[i]);
      }
    });
  }

  void activate(int64_t first_pair, int64_t pairs, const float* fc1, QuantizedRows& act) {
    const Stage stage(times.activation);
    const bool gated = layer_.shape().gated != 0;
    for_rows(pairs, [&](int64_t pair) {
      abi::check_cancel(batch_);
      const float* up = fc1 + pair * fc1_width_;
      const float* gate = up + intermediate_;
      std::vector<float> values(intermediate_);
      for (int64_t i = 0; i < intermediate_; ++i) values[i] = bf16_round(gated ? gated_activation(spec_, gate[i], up[i]) : relu2(up[i]));
      const int64_t index = first_pair + pair;
      act.quantize(pair, recipe_.quantizer, values.data(), quantizer_scale(recipe_.scales.fc2_quantizer, index),
                   row(act_q_, index, intermediate_ / 2), row(act_sf_, index, intermediate_ / 16));
      if (fc1_ != nullptr) std::copy_n(up, fc1_width_, fc1_ + index * fc1_width_);
      if (act_ != nullptr) std::copy_n(values.data(), intermediate_, act_ + index * intermediate_);
    });
  }

  void apply_fc2(const ExpertRows& rows, int64_t first_pair, const QuantizedRows& act, Finalizer& finalizer) {
    const Stage stage(times.fc2);
    const int64_t slice = slices_ > 1 ? kSliceBlocks : intermediate_ / 16;
    const GroupedGemm gemm{layer_.simd(), recipe_.scales.w2, rows, act, 1, slice, batch_};
    grouped_gemm(gemm, [&](const GemmSums& sums) {
      const float multiplier = recipe_.scales.fc2_multiplier[sums.expert];
      for (size_t r = 0; r < sums.pairs.size(); ++r) {
        const int64_t pair = sums.pairs[r];
        finalizer.put(pair, sums.slice, sums.first_output, sums.acc[r], multiplier, batch_.topk_weights[first_pair + pair]);
      }
    });
  }

  void finish(int64_t first_token, int64_t tokens, const Finalizer& finalizer) {
    const Stage stage(times.finalize);
    for_rows(tokens, [&](int64_t t) {
      abi::check_cancel(batch_);
      const int64_t token = first_token + t;
      finalizer.reduce(t, token, batch_.topk_weights + token * top_k_, batch_.deterministic != 0, batch_.seed, y_ + token * hidden_);
      for (int64_t slot = 0; fc2_ != nullptr && slot < top_k_; ++slot) finalizer.fc2(t * top_k_ + slot, fc2_ + (token * top_k_ + slot) * hidden_);
    });
  }

  const Layer& layer_;
  const moe_batch& batch_;
  const Recipe recipe_;
  const ActivationSpec spec_;
  int64_t hidden_, intermediate_, fc1_width_, top_k_, slices_;
  bool shared_x_;
  uint64_t workspace_ = 0;
  uint16_t* y_;
  uint8_t *x_q_, *x_sf_, *act_q_, *act_sf_;
  float *fc1_, *act_, *fc2_;
};

}  // namespace

void run_batch(const Layer& layer, const moe_batch& batch, const abi::Outputs& outputs) {
  abi::check_batch(batch, layer.shape());
  Run run(layer, batch, outputs);
  {
    const Stage stage(run.times.total);
    const int64_t step = std::max<int64_t>(1, kChunkBytes / run.token_bytes());
    for (int64_t token = 0; token < batch.tokens; token += step) run.chunk(token, std::min<int64_t>(step, batch.tokens - token));
  }
  outputs.workspace(run.workspace());
  outputs.time("quantize", run.times.quantize);
  outputs.time("fc1", run.times.fc1);
  outputs.time("activation", run.times.activation);
  outputs.time("fc2", run.times.fc2);
  outputs.time("finalize", run.times.finalize);
  outputs.time("total", run.times.total);
}

}  // namespace moe::cpu
