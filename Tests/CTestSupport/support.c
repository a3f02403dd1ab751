#include "CTestSupport.h"

#include <fenv.h>
#include <string.h>

#if !defined(__x86_64__)
// The C part is tested for AArch64 under emulation instead.
bool test_registers_survive(void (*callback)(void *), void *argument, uint64_t seed) {
  (void)seed;
  callback(argument);
  return true;
}
#endif

static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD};

void test_set_rounding(int mode) { fesetround(modes[mode]); }

int test_rounding(void) {
  int now = fegetround();  // x87's; SSE's shows in what an addition does
  volatile double one = 1, tiny = 1e-30, minus = -1;
  bool up = one + tiny > 1, down = minus - tiny < -1;
  for (int i = 0; i < 3; i++)
    if (modes[i] == now && up == (i == TEST_ROUND_UP) && down == (i == TEST_ROUND_DOWN)) return i;
  return -1;
}

__attribute__((noinline)) void test_touch_stack(unsigned bytes) {
  volatile char memory[bytes];
  memset((char *)memory, 1, bytes);
}

__attribute__((noinline)) uintptr_t test_stack_depth(void) { return (uintptr_t)__builtin_frame_address(0); }
