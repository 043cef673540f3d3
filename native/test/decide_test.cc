// The dispatch policy against the ranges derived in the domain facts (nvfp4-moe 5.1) and at every seam.
#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "core/dispatch/decide.h"
#include "core/error/error.h"

using namespace moe;

namespace {

/// FlashInfer main, 2026-08-22 (electron/engine/dispatch/rules/flashinfer-2026-08-22.json).
RuleLimits august() {
  RuleLimits limits;
  limits.id = "flashinfer-2026-08-22";
  limits.direct_micro_max_tokens = 8;
  limits.direct_micro_max_routed_pairs = 32;
  limits.direct_micro_max_intermediate = 512;
  limits.direct_micro_max_hidden = 6144;
  limits.direct_micro_max_top_k = 32;
  limits.micro_max_tokens = 8;
  limits.micro_max_routed_pairs = 40;
  limits.micro_max_routed_pairs_top_k1 = 20;
  limits.static_max_routed_pairs = 640;
  limits.dynamic_tile_m = {{15, 16}, {48, 32}, {96, 64}};
  limits.dynamic_tile_m_default = 128;
  limits.dynamic_tile_m_non_gated = 128;
  limits.intermediate_tile = 128;
  limits.static_clusters = {{39, 64}, {40, 132}, {64, 134}, {128, 130}, {640, 188}};
  return limits;
}

DecideRequest request(int tokens, int top_k, int intermediate, int hidden = 2048, int experts = 128) {
  DecideRequest out;
  out.tokens = tokens;
  out.top_k = top_k;
  out.experts = experts;
  out.hidden = hidden;
  out.intermediate = intermediate;
  out.threshold_origin = {"default", "test"};
  out.limits = august();
  return out;
}

moe_kernel kernel_of(const DecideRequest& batch) { return decide(batch).kernel; }

const DecisionStep* find(const Decision& decision, const std::string& name) {
  for (const DecisionStep& step : decision.steps) {
    if (step.name == name) return &step;
  }
  return nullptr;
}

struct Range {
  int top_k, intermediate, first, last;
  moe_kernel kernel;
};

}  // namespace

TEST_CASE("kernel ranges of nvfp4-moe 5.1") {
  const Range ranges[] = {
      {8, 512, 1, 3, MOE_KERNEL_DIRECT_MICRO}, {8, 512, 4, 5, MOE_KERNEL_MICRO},   {8, 512, 6, 80, MOE_KERNEL_STATIC},
      {8, 512, 81, 400, MOE_KERNEL_DYNAMIC},   {10, 512, 1, 3, MOE_KERNEL_DIRECT_MICRO}, {10, 512, 4, 4, MOE_KERNEL_MICRO},
      {10, 512, 5, 64, MOE_KERNEL_STATIC},     {10, 512, 65, 200, MOE_KERNEL_DYNAMIC},   {22, 2688, 1, 1, MOE_KERNEL_MICRO},
      {22, 2688, 2, 29, MOE_KERNEL_STATIC},    {22, 2688, 30, 99, MOE_KERNEL_DYNAMIC},   {8, 768, 1, 5, MOE_KERNEL_MICRO},
      {8, 768, 6, 80, MOE_KERNEL_STATIC},      {1, 768, 1, 8, MOE_KERNEL_MICRO},         {1, 768, 9, 640, MOE_KERNEL_STATIC},
      {1, 512, 1, 8, MOE_KERNEL_DIRECT_MICRO}, {1, 512, 641, 700, MOE_KERNEL_DYNAMIC},
  };
  for (const Range& range : ranges) {
    for (int tokens = range.first; tokens <= range.last; ++tokens) {
      CAPTURE(range.top_k);
      CAPTURE(range.intermediate);
      CAPTURE(tokens);
      CHECK_EQ(kernel_of(request(tokens, range.top_k, range.intermediate)), range.kernel);
    }
  }
}

TEST_CASE("#4718 moves the static cut-over to 1024 routed pairs") {
  for (const int tokens : {6, 80, 81, 82, 127, 128}) {
    DecideRequest batch = request(tokens, 8, 768);
    batch.limits.static_max_routed_pairs = 1024;
    CHECK_EQ(kernel_of(batch), MOE_KERNEL_STATIC);
  }
  DecideRequest above = request(129, 8, 768);
  above.limits.static_max_routed_pairs = 1024;
  CHECK_EQ(kernel_of(above), MOE_KERNEL_DYNAMIC);
}

TEST_CASE("top-k 1 has its own micro cut-over") {
  DecideRequest batch = request(8, 1, 768);
  batch.limits.micro_max_routed_pairs_top_k1 = 7;
  CHECK_EQ(kernel_of(batch), MOE_KERNEL_STATIC);
  CHECK_EQ(find(decide(batch), "micro: routed pairs (top-k 1)")->outcome, false);
}

TEST_CASE("every condition of direct micro can refuse it alone, and ends the list there") {
  struct Refusal {
    const char* step;
    DecideRequest batch;
  };
  std::vector<Refusal> refusals = {{"direct micro: routed pairs", request(4, 8, 512)},
                                   {"direct micro: padded intermediate", request(1, 8, 513)},
                                   {"direct micro: hidden modulo 128", request(1, 8, 512, 2048 + 64)},
                                   {"direct micro: hidden", request(1, 8, 512, 6272)}};
  refusals.push_back({"direct micro: tokens", request(9, 1, 512)});
  DecideRequest many = request(1, 31, 512);
  many.limits.direct_micro_max_top_k = 30;
  refusals.push_back({"direct micro: top-k", many});
  DecideRequest odd = request(1, 8, 500);
  odd.limits.intermediate_tile = 1;
  refusals.push_back({"direct micro: padded intermediate modulo 16", odd});
  for (const Refusal& refusal : refusals) {
    CAPTURE(refusal.step);
    const Decision decision = decide(refusal.batch);
    CHECK_NE(decision.kernel, MOE_KERNEL_DIRECT_MICRO);
    int refused = 0;
    for (const DecisionStep& step : decision.steps) {
      if (step.name.rfind("direct micro", 0) == 0 && !step.outcome) {
        ++refused;
        CHECK_EQ(step.name, refusal.step);
      }
    }
    CHECK_EQ(refused, 1);
  }
}

TEST_CASE("the intermediate size is padded before it is judged") {
  CHECK_EQ(kernel_of(request(1, 8, 400)), MOE_KERNEL_DIRECT_MICRO);  // 512
  CHECK_EQ(std::get<double>(find(decide(request(1, 8, 400)), "direct micro: padded intermediate")->value), 512);
}

TEST_CASE("the threshold gate: seams around 32, 64 and 128, in tokens, before everything else") {
  for (const int threshold : {32, 64, 128}) {
    for (const int tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 63, 64, 65, 79, 80, 81, 82, 127, 128, 129}) {
      DecideRequest batch = request(tokens, 8, 768);
      batch.threshold = threshold;
      const Decision decision = decide(batch);
      CAPTURE(threshold);
      CAPTURE(tokens);
      CHECK_EQ(decision.path, tokens >= threshold ? MOE_PATH_CUTLASS : MOE_PATH_B12X);
      CHECK_EQ(decision.steps.front().name, "hybrid threshold");
      CHECK_EQ(decision.steps.front().unit, "tokens");
      CHECK_EQ(decision.routed_pairs, tokens * 8);
      if (tokens >= threshold) {
        CHECK_EQ(decision.kernel, MOE_KERNEL_CUTLASS);
        CHECK_EQ(decision.tile_m, 128);
        CHECK_EQ(decision.tile_n, 128);
        CHECK_EQ(decision.steps.size(), 1);  // rules never reached are absent
      }
    }
  }
}

TEST_CASE("threshold 0 is off and says so; a forced path skips the gate and says so") {
  const Decision off = decide(request(4096, 8, 768));
  CHECK_EQ(off.path, MOE_PATH_B12X);
  CHECK_EQ(off.steps.front().outcome, false);
  DecideRequest batch = request(1, 8, 512);
  batch.threshold = 64;
  batch.force = ForcedPath::kCutlass;
  const Decision forced = decide(batch);
  CHECK_EQ(forced.path, MOE_PATH_CUTLASS);
  CHECK_EQ(forced.steps.size(), 1);
  CHECK_EQ(forced.steps.front().name, "forced path");
  batch.tokens = 4096;
  batch.force = ForcedPath::kB12x;
  CHECK_EQ(decide(batch).kernel, MOE_KERNEL_DYNAMIC);
  CHECK_EQ(find(decide(batch), "hybrid threshold"), nullptr);
  batch.force = ForcedPath::kReference;
  CHECK_EQ(decide(batch).kernel, MOE_KERNEL_REFERENCE);
}

TEST_CASE("tile M of dynamic by rows per expert; 128 when not gated") {
  struct Tile {
    int routed, tile_m;
  };
  const int experts = 128;
  for (const Tile& tile : {Tile{641, 16}, Tile{15 * experts - 1, 16}, Tile{15 * experts, 32}, Tile{48 * experts - 1, 32},
                           Tile{48 * experts, 64}, Tile{96 * experts - 1, 64}, Tile{96 * experts, 128}}) {
    CAPTURE(tile.routed);
    DecideRequest batch = request(tile.routed, 1, 768, 2048, experts);
    CHECK_EQ(decide(batch).tile_m, tile.tile_m);
    CHECK_EQ(decide(batch).tile_n, 128);
    batch.gated = false;
    CHECK_EQ(decide(batch).tile_m, 128);
  }
}

TEST_CASE("tile of static and micro") {
  const auto tile_m = [](DecideRequest batch, int sm_count) {
    if (sm_count > 0) batch.sm_count = sm_count;
    return decide(batch).tile_m;
  };
  CHECK_EQ(tile_m(request(4, 8, 256, 2000), 0), 64);    // 32 pairs, n 256 (micro)
  CHECK_EQ(tile_m(request(8, 8, 768), 0), 64);          // 64 pairs
  CHECK_EQ(tile_m(request(16, 8, 768), 0), 128);        // 128 pairs, SMs unknown
  CHECK_EQ(tile_m(request(17, 8, 768), 0), 128);        // 136 pairs
  CHECK_EQ(tile_m(request(9, 1, 768), 0), 128);         // static with top-k 1 never takes the narrow tile
  CHECK_EQ(tile_m(request(4, 1, 768, 2000), 0), 64);    // micro does
  CHECK_EQ(tile_m(request(8, 8, 768), 188), 128);       // 134 tuned clusters stay below 188 SMs
  CHECK_EQ(tile_m(request(8, 8, 768), 48), 64);         // all 48 SMs are filled
  CHECK_EQ(tile_m(request(16, 8, 768), 48), 64);        // 6 tiles on 48 SMs: 42 idle
  CHECK_EQ(tile_m(request(16, 8, 768), 8), 128);        // 6 tiles on 8 SMs: 2 idle
  DecideRequest idle = request(16, 8, 768);
  idle.idle_sms = 6;
  CHECK_EQ(decide(idle).tile_m, 64);
  idle.idle_sms = 5;
  CHECK_EQ(decide(idle).tile_m, 128);
  CHECK_EQ(decide(request(1, 8, 512)).tile_m, 0);  // direct micro has none
}

TEST_CASE("every step is true to its numbers and keeps the origin of its limit") {
  DecideRequest batch = request(6, 8, 512);
  batch.threshold = 64;
  batch.threshold_origin = {"argument", "--threshold"};
  batch.origins["staticMaxRoutedPairs"] = {"environment", "FLASHINFER_B12X_STATIC_COMPACT_CUTOVER_PAIRS"};
  const Decision decision = decide(batch);
  CHECK_EQ(decision.steps.front().origin.where, "--threshold");
  CHECK_EQ(find(decision, "static cut-over")->origin.kind, "environment");
  CHECK_EQ(find(decision, "direct micro: routed pairs")->origin.where, "flashinfer-2026-08-22");
  for (const DecisionStep& step : decision.steps) {
    CAPTURE(step.name);
    CHECK_FALSE(step.leads.empty());
    if (!std::holds_alternative<double>(step.value)) continue;
    const double value = std::get<double>(step.value);
    const double limit = std::get<double>(step.limit);
    const bool truth = step.comparison == ">=" ? value >= limit : step.comparison == ">" ? value > limit : step.comparison == "<=" ? value <= limit : step.comparison == "<" ? value < limit : value == limit;
    CHECK_EQ(step.outcome, truth);
  }
}

TEST_CASE("a decision prints") {
  std::ostringstream out;
  out << decide(request(81, 8, 768));
  CHECK_NE(out.str().find("kernel=dynamic"), std::string::npos);
  CHECK_NE(out.str().find("static cut-over: 648 > 640 routed pairs yes -> dynamic"), std::string::npos);
}

TEST_CASE("sizes that cannot be decided are refused by name") {
  for (const auto& [batch, code] : std::vector<std::pair<DecideRequest, std::string>>{{request(0, 8, 768), code::kUsage}, {request(1, 0, 768), code::kUsage}}) {
    try {
      decide(batch);
      FAIL("nothing thrown");
    } catch (const Error& error) {
      CHECK_EQ(error.code(), code);
    }
  }
  DecideRequest no_tile = request(1, 8, 768);
  no_tile.limits.intermediate_tile = 0;
  CHECK_THROWS_AS(decide(no_tile), Error);
}
