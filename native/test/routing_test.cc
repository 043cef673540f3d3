// Routers: against hand-made cases, and against the goldens' own routing.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/error/error.h"
#include "core/routing/expert_rows.h"
#include "core/routing/router.h"
#include "golden_file.h"

using namespace moe;

namespace {

RouteRequest one_token(const std::vector<float>& logits, int top_k) {
  RouteRequest request;
  request.logits = logits.data();
  request.tokens = 1;
  request.experts = static_cast<int>(logits.size());
  request.top_k = top_k;
  return request;
}

std::string code_of(const RouteRequest& request) {
  try {
    route(request);
  } catch (const Error& error) {
    return error.code();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("softmax: weights of the chosen experts, renormalised when asked") {
  const std::vector<float> logits = {0, std::log(2.0F), std::log(4.0F), std::log(1.0F)};
  RouteRequest request = one_token(logits, 2);
  Routing out = route(request);
  CHECK_EQ(out.ids, std::vector<int32_t>{2, 1});
  CHECK_EQ(out.weights[0], doctest::Approx(0.5));
  CHECK_EQ(out.weights[1], doctest::Approx(0.25));
  request.renormalize = true;
  request.scale = 3;
  out = route(request);
  CHECK_EQ(out.weights[0], doctest::Approx(2.0));
  CHECK_EQ(out.weights[1], doctest::Approx(1.0));
}

TEST_CASE("equal scores go to the lower expert, with either scoring") {
  const std::vector<float> logits = {1, 3, 3, 3, 1, 3};
  for (const Scoring scoring : {Scoring::kSoftmax, Scoring::kSigmoid}) {
    RouteRequest request = one_token(logits, 5);
    request.scoring = scoring;
    CHECK_EQ(route(request).ids, std::vector<int32_t>{1, 2, 3, 5, 0});
  }
}

TEST_CASE("a bias chooses but does not weigh") {
  const std::vector<float> logits = {2, 0, -1};
  const std::vector<float> bias = {0, 0, 5};
  RouteRequest request = one_token(logits, 2);
  request.scoring = Scoring::kSigmoid;
  request.bias = bias.data();
  const Routing out = route(request);
  CHECK_EQ(out.ids, std::vector<int32_t>{2, 0});
  CHECK_EQ(out.weights[0], doctest::Approx(1 / (1 + std::exp(1.0))));
  CHECK_EQ(out.weights[1], doctest::Approx(1 / (1 + std::exp(-2.0))));
}

TEST_CASE("groups: with a bias by the sum of two, without by the best") {
  // Group 0 holds the single best expert, group 1 the best pair.
  const std::vector<float> logits = {4, -9, 2, 1.9F, 0, 0};
  const std::vector<float> bias(6, 0.0F);
  RouteRequest request = one_token(logits, 2);
  request.scoring = Scoring::kSigmoid;
  request.groups = 3;
  request.top_groups = 1;
  CHECK_EQ(route(request).ids, std::vector<int32_t>{0, 1});
  request.bias = bias.data();
  CHECK_EQ(route(request).ids, std::vector<int32_t>{2, 3});
}

TEST_CASE("requests that cannot be routed") {
  const std::vector<float> logits(6, 0.0F);
  RouteRequest request = one_token(logits, 7);
  CHECK_EQ(code_of(request), code::kBadRouting);
  request = one_token(logits, 2);
  request.groups = 4;
  CHECK_EQ(code_of(request), code::kBadRouting);
  request.groups = 3;
  request.top_groups = 4;
  CHECK_EQ(code_of(request), code::kBadRouting);
  request.top_groups = 1;
  request.top_k = 3;  // one group holds two experts
  CHECK_EQ(code_of(request), code::kBadRouting);
  std::vector<float> nan = logits;
  nan[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_EQ(code_of(one_token(nan, 2)), code::kBadRouting);
}

TEST_CASE("statistics: rows, unique experts, padding; a bad id is named") {
  const std::vector<int32_t> ids = {0, 3, 3, 3, 5, 0};
  const RoutingStats stats = routing_stats(ids.data(), 6, 8, 4);
  CHECK_EQ(stats.rows_per_expert, std::vector<int32_t>{2, 0, 0, 3, 0, 1, 0, 0});
  CHECK_EQ(stats.unique, 3);
  CHECK_EQ(stats.max_rows, 3);
  CHECK_EQ(stats.padded_rows, 12);
  CHECK_EQ(routing_stats(ids.data(), 6, 8, 0).padded_rows, 6);
  CHECK_THROWS_AS(routing_stats(ids.data(), 6, 5, 4), Error);
}

TEST_CASE("pairs sorted by expert keep their order") {
  const std::vector<int32_t> ids = {2, 0, 2, 1, 0, 2};
  const ExpertRows rows = group_by_expert(ids.data(), 6, 4);
  CHECK_EQ(rows.pairs, std::vector<int64_t>{1, 4, 3, 0, 2, 5});
  REQUIRE_EQ(rows.groups.size(), 3);
  CHECK_EQ(rows.groups[2].expert, 2);
  CHECK_EQ(rows.groups[2].first, 3);
  CHECK_EQ(rows.groups[2].count, 3);
}

TEST_CASE("the routing of the goldens") {
  const auto shared = test::shared_checkpoints();
  if (!shared) {
    MESSAGE("shared checkpoints not found: nothing compared");
    return;
  }
  for (const std::string name : {"modelopt-qwen3moe-tiny", "ct-qwen3moe-tiny", "modelopt-nemotronh-tiny"}) {
    const test::GoldenFile golden(*shared / name / "golden" / "layer0.safetensors");
    const bool nemotron = name == "modelopt-nemotronh-tiny";
    std::vector<float> bias;
    if (nemotron) bias = test::GoldenFile(*shared / name / "model.safetensors").tensor<float>("backbone.layers.0.mixer.gate.e_score_correction_bias");
    for (const std::string set : {"T1", "T7", "T64", "edge"}) {
      const auto logits = golden.tensor<float>(set + ".router_logits");
      const auto ids = golden.tensor<int32_t>(set + ".topk_ids");
      const auto weights = golden.tensor<float>(set + ".topk_weights");
      RouteRequest request;
      request.logits = logits.data();
      request.tokens = golden.shape(set + ".router_logits").at(0);
      request.experts = 8;
      request.top_k = 2;
      request.renormalize = true;
      if (nemotron) {
        request.scoring = Scoring::kSigmoid;
        request.bias = bias.data();
        request.scale = 2.5F;
      }
      const Routing out = route(request);
      CAPTURE(name);
      CAPTURE(set);
      CHECK_EQ(out.ids, ids);
      for (size_t i = 0; i < weights.size(); ++i) CHECK_EQ(out.weights[i], doctest::Approx(weights[i]).epsilon(1e-6));
    }
  }
}
