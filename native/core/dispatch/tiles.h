// Tile and resident-cluster choices of the b12x kernels.
#pragma once

#include "core/dispatch/chain.h"

namespace moe {

/// Sets decision.tile_m and tile_n for decision.kernel and appends the steps that chose them.
/// Micro and static: `_select_moe_mma_tiler_mn`; dynamic: `_select_dynamic_tile_m` (moe_dispatch.py, FlashInfer main
/// 2026-08-22). Direct micro works row by row and has no tile.
/// @param padded intermediate size padded to limits.intermediate_tile
void choose_tiles(Chain& chain, const DecideRequest& request, int padded, Decision& decision);

}  // namespace moe
