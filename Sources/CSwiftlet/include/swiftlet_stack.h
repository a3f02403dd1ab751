// Stacks: slots of large lazily backed slabs, a guard at the low end of each, pooled per thread.
#ifndef SWIFTLET_STACK_H
#define SWIFTLET_STACK_H

#include "swiftlet_context.h"

enum {
  SWIFTLET_STACK_DEFAULT_SIZE = 256 << 10,
  SWIFTLET_STACK_SMALLEST_SIZE = 32 << 10,
  SWIFTLET_STACK_LARGEST_SIZE = 8 << 20,
  // Swift does not probe its frames, so one that is larger than the guard would jump over it.
  SWIFTLET_STACK_GUARD_SIZE = 16 << 10,
};

/// A stack of at least `size` bytes (rounded up to a power of two, guard included), or NULL with errno set:
/// ENOMEM (address space or the kernel's limit of mappings), EINVAL (size out of range).
swiftlet_context *swiftlet_stack_acquire(swiftlet_thread *thread, size_t size);

/// Gives a stack back. It may be the running one, provided that nothing else happens on this thread before
/// it is left for good.
void swiftlet_stack_release(swiftlet_context *context);

typedef struct swiftlet_stack_statistics {
  size_t live, pooled, slots, reserved_bytes;
} swiftlet_stack_statistics;

swiftlet_stack_statistics swiftlet_stack_count(swiftlet_thread *thread);

/// Returns the memory of pooled stacks beyond `keep` to the kernel, at most `limit` of them now. Answers how many.
size_t swiftlet_stack_trim(swiftlet_thread *thread, size_t keep, size_t limit);

/// Gives back the pages below what a suspended stack holds.
void swiftlet_stack_release_unused(const swiftlet_context *context);

/// The most of this stack that was ever in use since its memory was last returned, in bytes; page granular
/// below one page. Reads only resident pages.
size_t swiftlet_stack_high_water(const swiftlet_context *context);

/// Calls `visit` for every live context of this thread's slabs.
void swiftlet_stack_visit(swiftlet_thread *thread, void (*visit)(swiftlet_context *context, void *argument), void *argument);

/// Frees this thread's slabs; every stack must have ended.
void swiftlet_stack_pool_destroy(swiftlet_thread *thread);

/// Whose guard does this address lie in? NULL if nobody's. Safe in a signal handler.
const swiftlet_context *swiftlet_stack_overflowed(const void *address);

/// Installs the SIGSEGV handler that words stack overflows, once a process, and this thread's signal stack.
void swiftlet_overflow_install(swiftlet_thread *thread);
/// Gives the thread's signal stack back; at its end.
void swiftlet_overflow_remove(swiftlet_thread *thread);

#endif
