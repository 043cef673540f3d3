// libmoescope_cuda.so as it is on a machine with a GPU, which is faked: y = x, and a batch of 33 tokens ends in an illegal memory
// access. The real host side; tests of the command line and of the window open it.
#include "test/fake_cuda.h"

extern "C" __attribute__((visibility("default"))) const moe_provider* moescope_provider(void) {
  static moe::test::FakeMachine machine;
  machine.driver.capacity = size_t{1} << 30;
  machine.driver.fault = moe::cuda::status::kIllegalAddress;
  machine.upcast.faults_at = machine.sm90.faults_at = 33;
  return moe::cuda::provider(machine.backend);
}
