// The built-in provider "cpu": both pipelines with the roundings and orders of the real kernels.
#pragma once

#include "provider.h"

namespace moe::cpu {

/// Never null; lives as long as the process.
const moe_provider* provider();

}  // namespace moe::cpu
