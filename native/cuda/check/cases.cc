#include "cuda/check/cases.h"

#include "core/dispatch/decide.h"

namespace moe::cuda::checking {
namespace {

Case make(const std::string& name, int tokens, int hidden, int intermediate, int experts, int top_k, int activation = MOE_SILU) {
  Case out;
  out.name = name + ", T " + std::to_string(tokens);
  out.tokens = tokens;
  out.hidden = hidden;
  out.intermediate = intermediate;
  out.experts = experts;
  out.top_k = top_k;
  out.activation = activation;
  return out;
}

void add_seams(std::vector<Case>& out) {
  // Where kernels and tiles change with the number of tokens at top-k 8.
  for (const int tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 63, 64, 65, 79, 80, 81, 82, 127, 128, 129}) {
    out.push_back(make("seams H256 I256 E16 k8 silu", tokens, 256, 256, 16, 8));
    if (tokens == 1 || tokens == 4 || tokens == 64 || tokens == 129) out.back().repeats = 20;
  }
}

void add_activations(std::vector<Case>& out) {
  struct Shape {
    const char* name;
    int intermediate, activation;
  };
  for (const Shape shape : {Shape{"I704 gelu_tanh", 704, MOE_GELU_TANH}, Shape{"I2880 swigluoai", 2880, MOE_SWIGLUOAI}, Shape{"I1856 relu2", 1856, MOE_RELU2},
                            Shape{"I2688 relu2", 2688, MOE_RELU2}, Shape{"I768 silu", 768, MOE_SILU}, Shape{"I704 relu2", 704, MOE_RELU2},
                            Shape{"I2880 silu", 2880, MOE_SILU}, Shape{"I512 gelu_tanh", 512, MOE_GELU_TANH}, Shape{"I512 swigluoai", 512, MOE_SWIGLUOAI}}) {
    for (const int tokens : {1, 6, 33, 130}) {
      out.push_back(make(std::string("H384 E8 k4 ") + shape.name, tokens, 384, shape.intermediate, 8, 4, shape.activation));
      out.back().shared_scales = tokens % 2 == 0;
    }
  }
}

void add_sizes(std::vector<Case>& out) {
  for (const int tokens : {1, 7, 40}) out.push_back(make("H128 I256 E512 k22 relu2", tokens, 128, 256, 512, 22, MOE_RELU2));
  for (const int tokens : {3, 50}) out.push_back(make("H128 I128 E64 k32 silu", tokens, 128, 128, 64, 32));
  for (const int tokens : {1, 9, 100}) out.push_back(make("tails H208 I80 E5 k3 silu", tokens, 208, 80, 5, 3));
  out.push_back(make("tails H16 I16 E2 k1 relu2", 5, 16, 16, 2, 1, MOE_RELU2));
  for (const int tokens : {5, 70, 300}) {
    out.push_back(make("skewed H256 I384 E128 k8 silu", tokens, 256, 384, 128, 8));
    out.back().routing = Routing::kSkewed;
    out.back().repeats = 20;
  }
  out.push_back(make("gated dynamic H256 I512 E8 k8 silu", 500, 256, 512, 8, 8));
  out.push_back(make("many pairs H128 I128 E64 k8 silu", 2048, 128, 128, 64, 8));
  out.push_back(make("longest H64 I64 E8 k2 silu", 16384, 64, 64, 8, 2));
  out.push_back(make("Qwen3-30B-A3B H2048 I768 E128 k8 silu", 16, 2048, 768, 128, 8));
}

/// The values of electron/engine/dispatch/rules for FlashInfer main of 2026-08-22.
RuleLimits limits() {
  RuleLimits out;
  out.id = "flashinfer-main-2026-08-22";
  out.direct_micro_max_tokens = 8;
  out.direct_micro_max_routed_pairs = 32;
  out.direct_micro_max_intermediate = 512;
  out.direct_micro_max_hidden = 6144;
  out.direct_micro_max_top_k = 32;
  out.micro_max_tokens = 8;
  out.micro_max_routed_pairs = 40;
  out.micro_max_routed_pairs_top_k1 = 20;
  out.static_max_routed_pairs = 640;
  out.dynamic_tile_m = {{15, 16}, {48, 32}, {96, 64}};
  out.dynamic_tile_m_default = 128;
  out.dynamic_tile_m_non_gated = 128;
  out.intermediate_tile = 128;
  return out;
}

}  // namespace

std::vector<Case> list_cases(bool quick) {
  std::vector<Case> out;
  if (quick) {
    out = {make("H128 I128 E4 k2 silu", 3, 128, 128, 4, 2), make("H128 I128 E4 k4 silu", 9, 128, 128, 4, 4), make("tails H208 I80 E5 k3 silu", 9, 208, 80, 5, 3),
           make("tails H80 I176 E3 k2 relu2", 40, 80, 176, 3, 2, MOE_RELU2), make("H64 I64 E6 k3 swigluoai", 230, 64, 64, 6, 3, MOE_SWIGLUOAI),
           make("many pairs H64 I32 E6 k4 gelu_tanh", 300, 64, 32, 6, 4, MOE_GELU_TANH)};
    out[1].shared_scales = false;
    out[4].routing = Routing::kSkewed;
    for (Case& one : out) one.repeats = 1;
    return out;
  }
  add_seams(out);
  add_activations(out);
  add_sizes(out);
  return out;
}

std::vector<RunShape> list_shapes(const Case& one, int path, bool all_tiles) {
  DecideRequest request;
  request.tokens = one.tokens;
  request.top_k = one.top_k;
  request.experts = one.experts;
  request.hidden = one.hidden;
  request.intermediate = one.intermediate;
  request.gated = one.gated();
  request.force = path == MOE_PATH_CUTLASS ? ForcedPath::kCutlass : ForcedPath::kB12x;
  request.limits = limits();
  const Decision decision = decide(request);
  RunShape shape;
  shape.tokens = one.tokens;
  shape.path = decision.path;
  shape.kernel = decision.kernel;
  shape.tile_m = decision.tile_m;
  shape.tile_n = decision.tile_n;
  std::vector<RunShape> out{shape};
  if (path != MOE_PATH_B12X || !all_tiles) return out;
  for (const int tile_m : {16, 32, 64, 128}) {
    shape.kernel = MOE_KERNEL_DYNAMIC;
    shape.tile_m = tile_m;
    shape.tile_n = 128;
    if (decision.kernel != MOE_KERNEL_DYNAMIC || decision.tile_m != tile_m) out.push_back(shape);
  }
  return out;
}

}  // namespace moe::cuda::checking
