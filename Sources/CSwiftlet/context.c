// Starting and ending contexts, and telling the sanitizers.
#define _GNU_SOURCE
#include "swiftlet_context.h"
#include "swiftlet_stack.h"

#include <stdlib.h>
#include <string.h>

void swiftlet_first_frame(void);

extern void __sanitizer_start_switch_fiber(void **fake_stack, const void *low, size_t size) __attribute__((weak));
extern void __sanitizer_finish_switch_fiber(void *fake_stack, const void **low, size_t *size) __attribute__((weak));
extern void __tsan_switch_to_fiber(void *fiber, unsigned flags) __attribute__((weak));
extern void __tsan_destroy_fiber(void *fiber) __attribute__((weak));

// Kept out of line so that each side's entry and exit balance on its own shadow stack.
__attribute__((noinline)) void swiftlet_switch_sanitized(swiftlet_context *from, swiftlet_context *to, bool from_ends) {
  if (__sanitizer_start_switch_fiber)
    __sanitizer_start_switch_fiber(from_ends ? NULL : &from->address_sanitizer_stack, to->low, to->size);
  if (__tsan_switch_to_fiber) __tsan_switch_to_fiber(to->thread_sanitizer_fiber, 0);
  if (from->kind == SWIFTLET_KIND_GENERATOR || to->kind == SWIFTLET_KIND_GENERATOR) swiftlet_switch_plain(from, to);
  else swiftlet_switch_registers(from, to);
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(from->address_sanitizer_stack, NULL, NULL);
}

// Everything that runs on a stack runs inside this. Not instrumented: it never returns, so its own exit would
// be missing from the shadow stack.
__attribute__((noinline, noreturn)) static void run_context(swiftlet_context *context) {
  swiftlet_thread *thread = context->thread;
  if (__builtin_expect(thread->is_sanitized, 0) && __sanitizer_finish_switch_fiber)
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
  swiftlet_context *next = context->entry(context->argument);
  // From here to the switch nothing else can take the stack: the pool belongs to this thread.
  swiftlet_stack_release(context);
  bool is_generator = context->kind == SWIFTLET_KIND_GENERATOR;
  if (is_generator) swiftlet_swap_generator_state(thread, context, next);
  else swiftlet_swap_thread_state(thread, context, next);
  __atomic_store_n(&thread->current, next, __ATOMIC_RELAXED);
  if (__builtin_expect(thread->is_sanitized, 0)) swiftlet_switch_sanitized(context, next, true);
  else if (is_generator) swiftlet_switch_plain(context, next);  // its resumer saved no control words
  else swiftlet_switch_registers(context, next);
  abort();  // unreachable: the stack pointer just saved is never used
}

void swiftlet_context_start(swiftlet_context *context, swiftlet_entry entry, void *argument) {
  context->entry = entry;
  context->argument = argument;
  context->carries_state = false;
  context->wait_id = 0;
  context->run++;
  context->scope = NULL;
  context->resumer = NULL;
  context->is_isolated = false;
  context->address_sanitizer_stack = NULL;
  uint64_t *frame = (uint64_t *)((uintptr_t)context & ~(uintptr_t)15);
#if defined(__x86_64__)
  // What the first frame pops; then the stack pointer is 16-byte aligned, as before a call.
  *--frame = (uint64_t)(uintptr_t)run_context;
  *--frame = (uint64_t)(uintptr_t)context;
  context->frame_pointer = NULL;
  context->resume_address = (void *)swiftlet_first_frame;
  // A new stack inherits the floating-point modes.
  __asm__("stmxcsr %0" : "=m"(context->vector_control));
  __asm__("fnstcw %0" : "=m"(context->float_control));
#elif defined(__aarch64__)
  frame -= 22;
  memset(frame, 0, 22 * sizeof *frame);
  frame[0] = (uint64_t)(uintptr_t)context;        // x19
  frame[1] = (uint64_t)(uintptr_t)run_context;    // x20
  frame[11] = (uint64_t)(uintptr_t)swiftlet_first_frame;
  uint64_t control;
  __asm__("mrs %0, fpcr" : "=r"(control));
  frame[20] = control;
#else
#error "Swiftlet switches stacks on x86-64 and AArch64"
#endif
  context->stack_pointer = frame;
}

void swiftlet_context_register(swiftlet_context *context, void (*abandon)(void *owner)) {
  swiftlet_thread *thread = context->thread;
  context->abandon = abandon;
  context->previous_live = NULL;
  context->next_live = thread->live;
  if (thread->live) thread->live->previous_live = context;
  thread->live = context;
}

void swiftlet_context_unregister(swiftlet_context *context) {
  if (!context->abandon) return;
  context->abandon = NULL;
  if (context->next_live) context->next_live->previous_live = context->previous_live;
  if (context->previous_live) context->previous_live->next_live = context->next_live;
  else context->thread->live = context->next_live;
}

uint64_t swiftlet_number_next(void) {
  static uint64_t last;
  return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}
