#include "cpu/resum.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "core/formats/bf16.h"
#include "cpu/finalize.h"
#include "cpu/history.h"

namespace moe::cpu {
namespace {

/// Squared distance to the own order for each order and for fp64 (last), and the squared norm.
struct Sums {
  explicit Sums(int64_t orders) : distance(orders + 1) {}
  void add(int64_t order, double value, double own) { distance[order] += (value - own) * (value - own); }
  ResumStage stage() const {
    ResumStage out;
    const auto nrmse = [&](double squared) { return squared > 0 ? std::sqrt(squared / norm) : 0; };
    for (size_t i = 0; i + 1 < distance.size(); ++i) out.orders.push_back(nrmse(distance[i]));
    out.fp64 = nrmse(distance.back());
    return out;
  }
  std::vector<double> distance;
  double norm = 0;
};

/// Sum of terms [first, last): in fp32 in a drawn order, or in fp64 (`random` null).
double resum(const std::vector<double>& terms, int64_t first, int64_t last, std::mt19937_64* random) {
  if (random == nullptr) return std::accumulate(terms.begin() + first, terms.begin() + last, 0.0);
  std::vector<float> drawn(terms.begin() + first, terms.begin() + last);
  std::shuffle(drawn.begin(), drawn.end(), *random);
  return std::accumulate(drawn.begin(), drawn.end(), 0.0F);
}

/// `count` of 0..limit-1, evenly spread.
int64_t spread(int64_t index, int64_t count, int64_t limit) { return index * limit / count; }

void resum_fc1(const TokenTrace& trace, int32_t slot, int64_t element, int64_t orders, std::mt19937_64& random, Sums& sums) {
  const Fc1History own = trace.fc1(slot, element);
  sums.norm += own.up_value * own.up_value;
  const auto multiplier = static_cast<float>(own.multiplier);
  for (int64_t order = 0; order <= orders; ++order) {
    const bool wide = order == orders;
    const double sum = resum(own.up.term, 0, static_cast<int64_t>(own.up.term.size()), wide ? nullptr : &random);
    const double value = wide ? sum * own.multiplier : static_cast<float>(sum) * multiplier;
    sums.add(order, trace.recipe().rounds_fc1 ? bf16_round(static_cast<float>(value)) : value, own.up_value);
  }
}

/// FC2 of every slot of one column and y, in each order. The fp64 sum of y takes no rounding between FC2 and y.
void resum_column(const TokenTrace& trace, const ElementHistory& own, int64_t orders, uint64_t seed, std::mt19937_64& random, Sums& fc2, Sums& output) {
  const auto slots = static_cast<int64_t>(own.slots.size());
  const auto slices = static_cast<int64_t>(own.slots.front().slices.size());
  std::vector<float> weights;
  for (const SlotHistory& slot : own.slots) weights.push_back(static_cast<float>(slot.weight));
  for (const SlotHistory& slot : own.slots) fc2.norm += slot.fc2 * slot.fc2;
  output.norm += own.y * own.y;
  for (int64_t order = 0; order < orders; ++order) {
    Finalizer finalizer(trace.recipe().reduction, 1, slots, kPanel, slices);
    finalizer.keep_fc2(true);
    for (int64_t slot = 0; slot < slots; ++slot) {
      const SlotHistory& entry = own.slots[slot];
      for (int64_t slice = 0; slice < slices; ++slice) {
        const SliceHistory& part = entry.slices[slice];
        const float acc[kPanel] = {static_cast<float>(resum(entry.dot.term, part.first_block, part.first_block + part.blocks, &random))};
        finalizer.put(slot, slice, 0, acc, static_cast<float>(entry.multiplier), weights[slot]);
      }
      float value[kPanel];
      finalizer.fc2(slot, value);
      fc2.add(order, value[0], entry.fc2);
    }
    uint16_t y[kPanel];
    finalizer.reduce(0, own.token, weights.data(), false, seed + static_cast<uint64_t>(order), y);
    output.add(order, bf16_decode(y[0]), own.y);
  }
  double y = 0;
  for (const SlotHistory& slot : own.slots) {
    const double value = resum(slot.dot.term, 0, static_cast<int64_t>(slot.dot.term.size()), nullptr) * slot.multiplier;
    fc2.add(orders, value, slot.fc2);
    y += value * slot.weight;
  }
  output.add(orders, y, own.y);
}

}  // namespace

ResumNoise resum_noise(const Layer& layer, const moe_batch& batch, const ResumRequest& request, const Task& task) {
  const moe_layer_desc& shape = layer.shape();
  const int64_t tokens = std::min<int64_t>(request.tokens, batch.tokens);
  const int64_t columns = std::min<int64_t>(request.columns, shape.hidden);
  Sums fc1(request.orders);
  Sums fc2(request.orders);
  Sums output(request.orders);
  std::mt19937_64 random(request.seed);
  for (int64_t t = 0; t < tokens; ++t) {
    task.check();
    const TokenTrace trace(layer, batch, spread(t, tokens, batch.tokens));
    for (int64_t c = 0; c < columns; ++c) {
      resum_column(trace, trace.element(spread(c, columns, shape.hidden)), request.orders, request.seed, random, fc2, output);
      resum_fc1(trace, static_cast<int32_t>(c % shape.top_k), spread(c, columns, shape.intermediate), request.orders, random, fc1);
    }
  }
  return {fc1.stage(), fc2.stage(), output.stage(), tokens * columns};
}

}  // namespace moe::cpu
