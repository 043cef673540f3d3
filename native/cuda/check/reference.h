// What each stage should give, computed on the host from the quantized operands that the device tapped, so that a near tie
// of a quantizer cannot hide or make an error further on.
#pragma once

#include <cstdint>
#include <vector>

#include "core/routing/expert_rows.h"
#include "cuda/b12x/plan.h"
#include "cuda/check/near_ties.h"
#include "cuda/check/random_layer.h"

namespace moe::cuda::checking {

/// Everything a tapped run left, in provider.h's shapes.
struct Tapped {
  std::vector<uint8_t> x_q, x_sf, act_q, act_sf;
  std::vector<float> fc1, act, fc2;
  std::vector<uint16_t> y;
};

/// FC1 from x_q: [P, N1].
struct Fc1Reference {
  std::vector<double> exact;  ///< fp64
  /// The multiplier times the fp32 sum in block order: b12x's arithmetic over the emulated MMA, bit for bit.
  std::vector<float> in_block_order;
};

/// From act_q to y.
struct Fc2Reference {
  std::vector<double> fc2;  ///< [P, H] fp64
  std::vector<double> y;    ///< [T, H] fp64, not rounded
  /// bf16 [T, H] with b12x's roundings (cpu/recipe.h Reduction) over fp32 sums in block order; empty unless asked for.
  std::vector<uint16_t> y_of_recipe;
};

/// The tapped x_q and x_sf against x (rows are tokens where `shared`, else pairs), and act_q and act_sf against the tapped act.
BlockDifferences compare_x(const HostLayer& layer, const HostPath& path, const HostBatch& batch, const HostQuantizer& how, bool shared, const Tapped& tapped);
BlockDifferences compare_act(const HostLayer& layer, const HostPath& path, const HostBatch& batch, const HostQuantizer& how, const Tapped& tapped);

Fc1Reference reference_fc1(const HostLayer& layer, const HostPath& path, const HostBatch& batch, const Tapped& tapped, bool shared);

/// [P, I] fp64 of the tapped fc1.
std::vector<double> reference_act(const HostLayer& layer, const std::vector<float>& fc1);

/// @param recipe nullptr: no y_of_recipe
Fc2Reference reference_fc2(const HostLayer& layer, const HostPath& path, const HostBatch& batch, const Tapped& tapped, const b12x::Arithmetic* recipe);

}  // namespace moe::cuda::checking
