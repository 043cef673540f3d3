// One family of kernels on one layer and batch.
#pragma once

#include "cuda/check/findings.h"
#include "cuda/check/random_layer.h"

namespace moe::cuda::checking {

/// Runs `shape` with all taps, without, again and again, from a captured graph and (b12x) with atomics, and compares
///  - each tapped stage with the reference made from the stage before it (reference.h);
///  - y with the reference of the tapped act_q;
///  - every untapped run with the tapped one, bit for bit.
/// @param own what the family's prepare() made of the layer
/// @param poison fill outputs and workspace with NaN before each run; off under initcheck, which looks for reads of what
///   nobody wrote
void check_family(const KernelFamily& family, const FamilyLayer* own, const HostLayer& host, const HostBatch& batch, const DeviceLayer& layer, const RunShape& shape, bool poison,
                  Findings& findings);

}  // namespace moe::cuda::checking
