// Which family of kernels runs a path on a device.
#pragma once

#include <string>
#include <vector>

#include "cuda/launch.h"

namespace moe::cuda {

/// The families that are linked into this library; null for one that is not.
struct Families {
  const KernelFamily* b12x_native = nullptr;
  const KernelFamily* b12x_emulated = nullptr;
  const KernelFamily* b12x_upcast = nullptr;
  const KernelFamily* cutlass_sm90 = nullptr;
  const KernelFamily* cutlass_sm120 = nullptr;
};

/// What the environment chooses, read when a layer is created.
struct Settings {
  /// Which b12x kernels: MOESCOPE_CUDA_BODY = auto (upcast on Hopper, or emulated where upcast is not linked; native on RTX
  /// Blackwell), native, emulated, upcast.
  enum class Body { kAuto, kNative, kEmulated, kUpcast } body = Body::kAuto;
  /// MOESCOPE_CUDA_L2 = warm (the layer's previous run just ended) or cold (L2 is flushed before each timed run).
  bool cold_l2 = false;
  /// How direct micro uses its activation scales: MOESCOPE_DIRECT_MICRO_SCALE = divider (default) or multiplier, as in the cpu
  /// provider.
  bool direct_micro_divides = true;
};

/// @throws Error `unsupported` for a value that is not known.
Settings settings_from_environment();

/// The family for a path (moe_path), or null when it is not linked into this library.
/// @param major compute capability of the device
const KernelFamily* choose_family(const Families& families, const Settings& settings, int path, int major);

/// The families that would run on a device, for its description; none without a device (major 0).
std::vector<std::string> family_names(const Families& families, const Settings& settings, int major);

/// "cutlass-sm90 (128 tokens, kernel cutlass, tile 128x128, with taps)".
std::string run_text(const KernelFamily& family, const RunShape& shape);

}  // namespace moe::cuda
