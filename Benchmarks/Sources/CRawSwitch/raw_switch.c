#define _GNU_SOURCE
#include "raw_switch.h"
#include "CSwiftlet.h"

#include <sys/mman.h>

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

void raw_control_words(long count) {
#if defined(__x86_64__)
  static struct { unsigned vector; unsigned short floating; } words[2];
  __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(words[1].vector), "=m"(words[1].floating));
  for (long i = 0; i < count; i++) {
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(words[i & 1].vector), "=m"(words[i & 1].floating));
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(words[~i & 1].vector), "m"(words[~i & 1].floating));
  }
#elif defined(__aarch64__)
  for (long i = 0; i < count; i++) {
    unsigned long control;
    __asm__ volatile("mrs %0, fpcr\n\tmsr fpcr, %0" : "=r"(control));
  }
#endif
}

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

_Bool raw_stacks(long count) {
  size_t slot = SWIFTLET_STACK_DEFAULT_SIZE;
  char *low = mmap(NULL, count * slot, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (low == MAP_FAILED) return 0;
  madvise(low, count * slot, MADV_NOHUGEPAGE);
  for (long i = 0; i < count; i++) {
    if (madvise(low + i * slot, SWIFTLET_STACK_GUARD_SIZE, MADV_GUARD_INSTALL)) return 0;
    low[(i + 1) * slot - 1024] = 1;
  }
  return 1;
}
