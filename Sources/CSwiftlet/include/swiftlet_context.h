// A context is one suspendable stack: saved registers, the per-thread words of the Swift runtime that
// travel with it, and what is known about it. It lies at the top of its own stack, so a parked
// coroutine costs one touched page in all.
//
// Ownership: a context belongs to the thread that made it and never leaves it. Compilers cache the
// addresses of thread-locals across calls, so resuming it elsewhere would corrupt memory.
#ifndef SWIFTLET_CONTEXT_H
#define SWIFTLET_CONTEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

typedef struct swiftlet_context swiftlet_context;
typedef struct swiftlet_thread swiftlet_thread;

/// The body of a context. Returns the context to run next; the stack of the one that
/// returned goes back to the pool at that moment.
typedef swiftlet_context *(*swiftlet_entry)(void *argument);

/// What runs on a context; it words the overflow report.
typedef enum swiftlet_kind {
  SWIFTLET_KIND_ROOT = 0,       // a thread's own stack
  SWIFTLET_KIND_GENERATOR = 1,
  SWIFTLET_KIND_GREENLET = 2,
  SWIFTLET_KIND_FIBER = 3,
  SWIFTLET_KIND_TASK = 4,       // a Swift job
  SWIFTLET_KIND_SCHEDULER = 5,  // the loop itself, between two jobs
} swiftlet_kind;

/// The Swift runtime's words that are kept per thread and must travel with a stack.
enum { SWIFTLET_WORD_TASK, SWIFTLET_WORD_EXECUTOR, SWIFTLET_WORD_TASK_LOCAL, SWIFTLET_WORD_ACCESS, SWIFTLET_WORDS };

struct swiftlet_context {
  void *stack_pointer;                 // valid while suspended; stale while running
  bool carries_state;                  // while suspended: words or exception_globals hold something
  uint64_t words[SWIFTLET_WORDS];
  uint64_t exception_globals[2];       // __cxa_get_globals(): C++ exceptions being handled
  swiftlet_thread *thread;

  // The wait that this stack is parked in; decided by its thread only. Zero id: not parked, or decided.
  uint64_t wait_id;
  int wait_outcome;
  void *wait_object;                   // what it waits on, for reports; not owned
  int wait_kind;                       // how to read wait_object
  bool wait_is_shielded;               // cancellation must not end this wait

  uint8_t kind;                        // swiftlet_kind
  bool is_isolated;                    // runs a job of the main actor or of a loop's serial executor
  bool is_live;                        // between start and end
  swiftlet_context *resumer;           // generators: the stack that called for the next element
  void *scope;                         // innermost cancel scope; not owned
  swiftlet_context *parked;            // where this flow of control waits: itself, or a generator it resumed
  void *owner;                         // the Swift object that runs here; not owned
  const char *name;                    // NUL-terminated, owned by `owner`; may be NULL
  uint64_t number;                     // names it when there is no name
  uint64_t run;                        // counts what has run on this stack: tells successive owners apart

  char *low;                           // lowest usable byte, just above the guard
  size_t size;                         // usable bytes, this structure included
  uint32_t size_class;
  uint32_t color;                      // bytes left free at the top against cache set collisions

  swiftlet_entry entry;
  void *argument;

  // Suspended contexts that their owner must unwind when the thread ends.
  void (*abandon)(void *owner);
  swiftlet_context *next_live, *previous_live;

  void *address_sanitizer_stack;
  void *thread_sanitizer_fiber;
} __attribute__((aligned(16)));        // the loop keeps a tag in the low bits of its address

struct swiftlet_thread {
  swiftlet_context *current;
  // Where the swapped words live on this thread. When the probe refused, they point into `spare_words`,
  // so that the switch needs no branch.
  uint64_t *words[SWIFTLET_WORDS];
  uint64_t *exception_globals;
  int *errno_address;
  bool is_sanitized;
  bool has_task_state;                 // the probe succeeded: Swift jobs may park here
  bool has_abandoned;                  // `abandoned` is not empty; read without the lock
  void *loop;                          // the Swift loop of this thread; owned by it until closed
  void (*release_loop)(void *loop);
  void *blocking;                      // where waits of a thread without loop block; owned
  void (*release_blocking)(void *blocking);
  swiftlet_context root;
  swiftlet_context *live;              // suspended or running contexts with an `abandon` function
  void *pool;                          // swiftlet_stack_pool
  void *greenlets;                     // owned by Swift; see GreenletThread.swift
  void (*release_greenlets)(void *greenlets);
  void *abandoned;                     // see swiftlet_thread.c
  uint64_t spare_words[SWIFTLET_WORDS];
  uint64_t spare_exception_globals[2];
  int kernel_id;
  uint64_t serial;                     // never reused, unlike kernel_id
};

extern __thread swiftlet_thread *swiftlet_this_thread;

/// Makes this thread's record; once a thread. The probe of the Swift runtime's words must have run before.
swiftlet_thread *swiftlet_thread_make(void);

/// This thread's record, or NULL before its first coroutine operation.
static inline swiftlet_thread *swiftlet_thread_if_made(void) { return swiftlet_this_thread; }

/// Saves the callee-saved registers and the floating-point control words on the current stack, stores the
/// stack pointer, and continues on the other stack. Assembly.
void swiftlet_switch_stacks(void **save_stack_pointer, void *stack_pointer);

void swiftlet_switch_sanitized(swiftlet_context *from, swiftlet_context *to, bool from_ends);

/// Saves what the runtime holds for `from` and puts in place what `to` left. Most stacks hold nothing at a switch: no
/// task, no task-local, no open access, no exception being handled. Then comparing is all there is to do.
static inline void swiftlet_swap_thread_state(swiftlet_thread *thread, swiftlet_context *from, swiftlet_context *to) {
  uint64_t *const *words = thread->words, *globals = thread->exception_globals;
  uint64_t held = *words[0] | *words[1] | *words[2] | *words[3] | globals[0] | globals[1];
  if (__builtin_expect(held | to->carries_state, 0)) {
    bool restores = to->carries_state;
    for (int i = 0; i < SWIFTLET_WORDS; i++) {
      from->words[i] = *words[i];
      *words[i] = restores ? to->words[i] : 0;
    }
    for (int i = 0; i < 2; i++) {
      from->exception_globals[i] = globals[i];
      globals[i] = restores ? to->exception_globals[i] : 0;
    }
    to->carries_state = false;
    from->carries_state = held != 0;
  }
}

/// The same for a generator and its resumer: they are one flow of control, as a function and its caller are, so the
/// current task and its task-locals stay. Their open accesses and their exceptions are kept apart.
static inline void swiftlet_swap_generator_state(swiftlet_thread *thread, swiftlet_context *from, swiftlet_context *to) {
  uint64_t *access = thread->words[SWIFTLET_WORD_ACCESS], *globals = thread->exception_globals;
  uint64_t held = *access | globals[0] | globals[1];
  if (__builtin_expect(held | to->carries_state, 0)) {
    bool restores = to->carries_state;
    from->words[SWIFTLET_WORD_ACCESS] = *access;
    *access = restores ? to->words[SWIFTLET_WORD_ACCESS] : 0;
    for (int i = 0; i < 2; i++) {
      from->exception_globals[i] = globals[i];
      globals[i] = restores ? to->exception_globals[i] : 0;
    }
    to->carries_state = false;
    from->carries_state = held != 0;
  }
}

static inline void swiftlet_continue(swiftlet_thread *thread, swiftlet_context *from, swiftlet_context *to) {
  __atomic_store_n(&thread->current, to, __ATOMIC_RELAXED);  // the watchdog reads it; a plain store all the same
  if (__builtin_expect(thread->is_sanitized, 0)) swiftlet_switch_sanitized(from, to, false);
  else swiftlet_switch_stacks(&from->stack_pointer, to->stack_pointer);
}

/// Continues `to`, a suspended or just started context of this thread; returns when somebody switches back.
/// Switching to oneself does nothing.
static inline void swiftlet_switch(swiftlet_context *to) {
  swiftlet_thread *thread = to->thread;
  swiftlet_context *from = thread->current;
  if (__builtin_expect(from == to, 0)) return;  // the saved stack pointer of a running stack is stale
  int saved_errno = *thread->errno_address;
  swiftlet_swap_thread_state(thread, from, to);
  swiftlet_continue(thread, from, to);
  *thread->errno_address = saved_errno;
}

/// Resumes a generator from the running stack.
static inline void swiftlet_resume_generator(swiftlet_context *generator) {
  swiftlet_thread *thread = generator->thread;
  swiftlet_context *from = thread->current;
  generator->resumer = from;
  swiftlet_swap_generator_state(thread, from, generator);
  swiftlet_continue(thread, from, generator);
}

/// Suspends the running generator and continues its resumer.
static inline void swiftlet_suspend_generator(swiftlet_context *generator) {
  swiftlet_thread *thread = generator->thread;
  swiftlet_context *to = generator->resumer;
  swiftlet_swap_generator_state(thread, generator, to);
  swiftlet_continue(thread, generator, to);
}

/// Prepares a context taken from the pool: the first switch to it calls `entry(argument)`.
void swiftlet_context_start(swiftlet_context *context, swiftlet_entry entry, void *argument);

/// Puts a context on its thread's list of those to unwind when the thread ends, with the function that does it.
void swiftlet_context_register(swiftlet_context *context, void (*abandon)(void *owner));
void swiftlet_context_unregister(swiftlet_context *context);

/// Gives `owner` back to the thread that owns `thread`, whose next coroutine operation calls `abandon(owner)`.
/// False when that thread has ended.
bool swiftlet_thread_abandon(swiftlet_thread *thread, uint64_t serial, void (*abandon)(void *owner), void *owner);
void swiftlet_thread_take_abandoned(swiftlet_thread *thread);

/// True while the thread with this serial number runs. Thread records are never freed, so asking is always safe.
bool swiftlet_thread_is_alive(const swiftlet_thread *thread, uint64_t serial);

/// The kernel's number of that thread; 0 when it has ended.
int swiftlet_thread_kernel_id(const swiftlet_thread *thread, uint64_t serial);

/// The thread's own stack.
static inline swiftlet_context *swiftlet_thread_root(swiftlet_thread *thread) { return &thread->root; }

/// The thread runs its own stack. From any thread; may be out of date.
static inline bool swiftlet_thread_is_on_root(const swiftlet_thread *thread) {
  return __atomic_load_n(&thread->current, __ATOMIC_RELAXED) == &thread->root;
}

/// Numbers coroutines in the order of their first run, a process.
uint64_t swiftlet_number_next(void);

/// Forgets every suspended stack of this thread: for the child of a fork.
void swiftlet_thread_reset_after_fork(void);

#endif
