// Provider libraries that must be refused, one for each value of MOESCOPE_BROKEN. The loader's tests open them.
#include "provider.h"

namespace {

[[maybe_unused]] moe_provider table() {
  moe_provider out{};
  out.abi = MOE_PROVIDER_ABI;
  out.struct_size = sizeof out;
  out.name = "broken";
  return out;
}

}  // namespace

#if MOESCOPE_BROKEN == 0  // no symbol at all
extern "C" __attribute__((visibility("default"))) int moescope_something_else(void) { return 0; }
#elif MOESCOPE_BROKEN == 4  // no table
extern "C" __attribute__((visibility("default"))) const moe_provider* moescope_provider(void) { return nullptr; }
#else
extern "C" __attribute__((visibility("default"))) const moe_provider* moescope_provider(void) {
  static const moe_provider broken = [] {
    moe_provider out = table();
#if MOESCOPE_BROKEN == 1  // another ABI
    out.abi = MOE_PROVIDER_ABI + 1;
#elif MOESCOPE_BROKEN == 2  // built against an older, shorter table
    out.struct_size = 24;
#endif  // 3: functions are missing
    return out;
  }();
  return &broken;
}
#endif
