// Which block quantizer; what each computes is in core/quantize/quantize.h under the same name.
#pragma once

namespace moe::cuda {

enum class BlockQuantizer : int {
  kCutlassFast,  ///< LARGE global scale
  kB12xFast,     ///< SMALL; gated activations
  kB12xExact,    ///< SMALL; relu2 (FlashInfer #4285)
  kDirectMicro,  ///< a multiplier
};

}  // namespace moe::cuda
