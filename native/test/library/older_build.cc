// A provider library as a FlashInfer build before `cutlass_prefill_threshold` would be: it runs b12x through the cpu
// provider and says that it cannot do hybrid dispatch. `verify` item 4 and the tests open it.
#include "cpu/cpu_provider.h"
#include "provider.h"

namespace {

moe_status capabilities(moe_capabilities* out) {
  const moe_status status = moe::cpu::provider()->capabilities(out);
  out->paths = 1 << MOE_PATH_B12X;
  out->cutlass_prefill_threshold = 0;
  return status;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const moe_provider* moescope_provider(void) {
  static const moe_provider older = [] {
    moe_provider table = *moe::cpu::provider();
    table.name = "older-build";
    table.version = "0.6.12";
    table.capabilities = capabilities;
    return table;
  }();
  return &older;
}
