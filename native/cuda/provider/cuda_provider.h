// The provider "cuda" behind provider.h.
#pragma once

#include "cuda/provider/layer.h"
#include "provider.h"

namespace moe::cuda {

/// The table of functions over a backend; both live as long as the process, and there is one backend a process: a later call
/// with another one replaces it for layers made from then on. Never null.
const moe_provider* provider(const Backend& backend);

/// The families linked into this library (library.cc).
Families linked_families();

/// The real CUDA runtime (cudart_runtime.cc).
Runtime& cudart_runtime();

}  // namespace moe::cuda
