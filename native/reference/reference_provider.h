// The built-in provider "reference": fp64, the judge.
#pragma once

#include "provider.h"

namespace moe::reference {

/// Never null; lives as long as the process.
const moe_provider* provider();

}  // namespace moe::reference
