#include "core/routing/router.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/error/error.h"
#include "core/parallel/pool.h"

namespace moe {
namespace {

constexpr int64_t kTokensPerTask = 64;

Error bad_routing(std::string message, std::string expected, std::string found) {
  return Error(code::kBadRouting, std::move(message), {{"expected", std::move(expected)}, {"found", std::move(found)}});
}

void check(const RouteRequest& request) {
  if (request.top_k < 1 || request.top_k > request.experts) {
    throw bad_routing("top-k must be between 1 and the number of experts", "1.." + std::to_string(request.experts),
                      std::to_string(request.top_k));
  }
  if (request.groups < 1 || request.experts % request.groups != 0) {
    throw bad_routing("the number of expert groups must divide the number of experts", "a divisor of " + std::to_string(request.experts),
                      std::to_string(request.groups));
  }
  if (request.top_groups < 1 || request.top_groups > request.groups) {
    throw bad_routing("the number of chosen groups must be between 1 and the number of groups", "1.." + std::to_string(request.groups),
                      std::to_string(request.top_groups));
  }
  if (request.top_groups * (request.experts / request.groups) < request.top_k) {
    throw bad_routing("the chosen groups hold fewer experts than top-k", ">= " + std::to_string(request.top_k),
                      std::to_string(request.top_groups * (request.experts / request.groups)));
  }
}

/// Scratch of one task, reused from token to token.
struct Scratch {
  std::vector<float> score, rank;
  std::vector<int32_t> order, groups;
};

void score_token(const RouteRequest& request, int64_t token, Scratch& scratch) {
  const int experts = request.experts;
  const float* logits = request.logits + token * experts;
  for (int e = 0; e < experts; ++e) {
    if (!std::isnan(logits[e])) continue;
    throw bad_routing("router logits hold NaN at token " + std::to_string(token) + ", expert " + std::to_string(e), "a number", "NaN");
  }
  scratch.score.resize(experts);
  scratch.rank.resize(experts);
  if (request.scoring == Scoring::kSoftmax) {
    const double peak = *std::max_element(logits, logits + experts);
    double sum = 0;
    for (int e = 0; e < experts; ++e) sum += std::exp(logits[e] - peak);
    for (int e = 0; e < experts; ++e) scratch.score[e] = static_cast<float>(std::exp(logits[e] - peak) / sum);
  } else {
    for (int e = 0; e < experts; ++e) scratch.score[e] = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(logits[e]))));
  }
  for (int e = 0; e < experts; ++e) scratch.rank[e] = scratch.score[e] + (request.bias != nullptr ? request.bias[e] : 0.0F);
}

/// Indices of the `count` largest ranks, best first, ties to the lower index.
void take_best(const std::vector<float>& rank, int count, std::vector<int32_t>& order) {
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int32_t a, int32_t b) {
    return rank[a] != rank[b] ? rank[a] > rank[b] : a < b;
  });
}

float group_rank(const RouteRequest& request, const float* rank, int size) {
  float best = -INFINITY;
  float second = -INFINITY;
  for (int i = 0; i < size; ++i) {
    if (rank[i] > best) {
      second = best;
      best = rank[i];
    } else if (rank[i] > second) {
      second = rank[i];
    }
  }
  return request.bias != nullptr && size > 1 ? best + second : best;
}

/// Fills scratch.order with the experts that may be chosen.
void collect_candidates(const RouteRequest& request, Scratch& scratch) {
  const int size = request.experts / request.groups;
  scratch.order.clear();
  if (request.top_groups == request.groups) {
    scratch.order.resize(request.experts);
    std::iota(scratch.order.begin(), scratch.order.end(), 0);
    return;
  }
  std::vector<float> ranks(request.groups);
  for (int g = 0; g < request.groups; ++g) ranks[g] = group_rank(request, scratch.rank.data() + static_cast<size_t>(g) * size, size);
  scratch.groups.resize(request.groups);
  std::iota(scratch.groups.begin(), scratch.groups.end(), 0);
  take_best(ranks, request.top_groups, scratch.groups);
  for (int i = 0; i < request.top_groups; ++i) {
    for (int e = 0; e < size; ++e) scratch.order.push_back(scratch.groups[i] * size + e);
  }
}

}  // namespace

Routing route(const RouteRequest& request) {
  check(request);
  Routing out;
  out.ids.resize(request.tokens * request.top_k);
  out.weights.resize(request.tokens * request.top_k);
  const int64_t tasks = (request.tokens + kTokensPerTask - 1) / kTokensPerTask;
  run_tasks(tasks, [&](int64_t task) {
    Scratch scratch;
    const int64_t end = std::min(request.tokens, (task + 1) * kTokensPerTask);
    for (int64_t token = task * kTokensPerTask; token < end; ++token) {
      score_token(request, token, scratch);
      collect_candidates(request, scratch);
      take_best(scratch.rank, request.top_k, scratch.order);
      int32_t* ids = out.ids.data() + token * request.top_k;
      float* weights = out.weights.data() + token * request.top_k;
      double sum = 0;
      for (int slot = 0; slot < request.top_k; ++slot) {
        ids[slot] = scratch.order[slot];
        weights[slot] = scratch.score[ids[slot]];
        sum += weights[slot];
      }
      const double factor = (request.renormalize ? 1.0 / (sum + 1e-20) : 1.0) * request.scale;
      for (int slot = 0; slot < request.top_k; ++slot) weights[slot] = static_cast<float>(weights[slot] * factor);
    }
  });
  return out;
}

RoutingStats routing_stats(const int32_t* topk_ids, int64_t pairs, int experts, int tile_m) {
  RoutingStats stats;
  stats.rows_per_expert.assign(experts, 0);
  for (int64_t i = 0; i < pairs; ++i) {
    const int32_t id = topk_ids[i];
    if (id < 0 || id >= experts) {
      throw bad_routing("topk_ids[" + std::to_string(i) + "] is not an expert of this layer", "0.." + std::to_string(experts - 1),
                        std::to_string(id));
    }
    ++stats.rows_per_expert[id];
  }
  const int64_t tile = std::max(1, tile_m);
  for (const int32_t rows : stats.rows_per_expert) {
    stats.unique += rows > 0 ? 1 : 0;
    stats.padded_rows += (rows + tile - 1) / tile * tile;
    stats.max_rows = std::max(stats.max_rows, rows);
  }
  return stats;
}

}  // namespace moe
