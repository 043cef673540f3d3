// libmoescope_cuda.so as it is on a machine without an NVIDIA driver: the real host side on a fake runtime. Tests put it
// beside an addon.
#include "test/fake_cuda.h"

extern "C" __attribute__((visibility("default"))) const moe_provider* moescope_provider(void) {
  static moe::test::FakeMachine machine;
  machine.driver.driver = 0;
  return moe::cuda::provider(machine.backend);
}
