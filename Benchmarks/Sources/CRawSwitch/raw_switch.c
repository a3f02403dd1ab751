#include "raw_switch.h"
#include "CSwiftlet.h"

static swiftlet_context *switch_back(void *first) {
  for (;;) swiftlet_switch(first);
}

_Bool raw_switch(long count) {
  swiftlet_thread *thread = swiftlet_thread_if_made();
  static __thread swiftlet_context *other;
  if (!other) {
    other = swiftlet_stack_acquire(thread, SWIFTLET_STACK_DEFAULT_SIZE);
    if (!other) return 0;
    swiftlet_context_start(other, switch_back, thread->current);
  }
  for (long i = 0; i < count / 2; i++) swiftlet_switch(other);
  return 1;
}
