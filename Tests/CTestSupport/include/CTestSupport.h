// What the tests need to see of a stack and Swift cannot say.
#ifndef SWIFTLET_CTESTSUPPORT_H
#define SWIFTLET_CTESTSUPPORT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Calls back with every callee-saved register holding a value derived from `seed`; answers whether they still do.
bool test_registers_survive(void (*callback)(void *argument), void *argument, uint64_t seed);

enum { TEST_ROUND_NEAREST, TEST_ROUND_UP, TEST_ROUND_DOWN };
/// Sets the rounding of SSE and x87 arithmetic.
void test_set_rounding(int mode);
/// The rounding in force if both units agree, else -1.
int test_rounding(void);

/// Throws a C++ exception, calls back from inside its catch block, rethrows, and answers the tag of what came.
int test_rethrow_after(int tag, void (*callback)(void *argument), void *argument);
/// How many C++ exceptions are in flight, as the runtime sees it.
unsigned test_uncaught_exceptions(void);

/// Touches this many bytes of the running stack.
void test_touch_stack(unsigned bytes);

/// Where the running stack ends at present: also under the address sanitizer, which keeps variables elsewhere.
uintptr_t test_stack_depth(void);

#ifdef __cplusplus
}
#endif
#endif
