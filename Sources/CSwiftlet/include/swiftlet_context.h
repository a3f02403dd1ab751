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
#include <pthread.h>

#include "swiftlet_queue.h"

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
  // The registers of a suspended stack; stale while it runs. The offsets are known to the assembly.
  void *stack_pointer;
  void *frame_pointer;                 // x86-64 only; on AArch64 it lies on the stack
  void *resume_address;
  uint32_t vector_control;             // MXCSR
  uint16_t float_control;              // x87 control word
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
  bool owner_is_cancelled;             // the fiber that runs here was told to end

  uint8_t kind;                        // swiftlet_kind
  bool is_isolated;                    // runs a job of the main actor or of a loop's serial executor
  bool is_live;                        // between start and end
  swiftlet_context *resumer;           // see swiftlet_outer_of
  uint64_t resumer_run;                // greenlets: what ran on the resumer then
  void *scope;                         // innermost cancel scope opened on this stack; not owned
  swiftlet_context *parked;            // where this flow of control waits: itself, or a stack entered from it
  void *owner;                         // the Swift object that runs here: fiber, task, generator; not owned
  const char *name;                    // NUL-terminated, owned by `owner`; may be NULL
  uint64_t number;                     // names it when there is no name
  uint64_t spawner;                    // fibers: the number of the one that spawned it, 0 for none
  uint64_t run;                        // counts what has run on this stack: tells successive owners apart
  uint64_t run_time, timed_run;        // nanoseconds for which run number `timed_run` has run, while that is counted

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
  swiftlet_loop_core *core;            // the loop of this thread, while it has one
  void *loop;                          // its Swift object; owned until closed
  void (*release_loop)(void *loop);
  uint64_t last_wait_id;               // never reused, also not by later threads with this record
  uint64_t first_wait_id;              // of the present loop: messages for earlier waits are void
  swiftlet_context root;
  swiftlet_context *live;              // suspended or running contexts with an `abandon` function
  void *pool;                          // swiftlet_stack_pool
  void *greenlets;                     // owned by Swift; see GreenletThread.swift
  void (*release_greenlets)(void *greenlets);
  void *greenlet_origin;               // the greenlet that hands over control; set before a switch, taken after it
  bool greenlet_throws;                // it does so by an error
  bool traces_greenlets;
  void *abandoned;                     // see thread.c
  void *signal_stack;                  // made for this thread, or NULL
  swiftlet_inbox inbox;                // messages of other threads for the loop
  // Waiting without a loop blocks here; the pending wait is under the lock, since another thread decides it.
  pthread_mutex_t blocking_lock;
  pthread_cond_t blocking_condition;
  uint64_t blocking_wait;
  int blocking_outcome;
  bool blocking_looks_again;
  uint64_t spare_words[SWIFTLET_WORDS];
  uint64_t spare_exception_globals[2];
  int kernel_id;
  uint64_t serial;                     // never reused, unlike kernel_id
};

_Static_assert(offsetof(swiftlet_context, stack_pointer) == 0 && offsetof(swiftlet_context, frame_pointer) == 8 &&
                   offsetof(swiftlet_context, resume_address) == 16 && offsetof(swiftlet_context, vector_control) == 24 &&
                   offsetof(swiftlet_context, float_control) == 28,
               "the assembly knows these offsets");

// A call whose return comes on another stack spoils the processor's return predictor.
#define SWIFTLET_INLINE static inline __attribute__((always_inline))

extern __thread swiftlet_thread *swiftlet_this_thread;

/// Makes this thread's record; once a thread. The probe of the Swift runtime's words must have run before.
swiftlet_thread *swiftlet_thread_make(void);

/// This thread's record, or NULL before its first coroutine operation.
static inline swiftlet_thread *swiftlet_thread_if_made(void) { return swiftlet_this_thread; }

// Swift's `&pointer.pointee.field` is not promised to be the field's own address.
static inline swiftlet_context *swiftlet_thread_root(swiftlet_thread *thread) { return &thread->root; }
static inline swiftlet_inbox *swiftlet_thread_inbox(swiftlet_thread *thread) { return &thread->inbox; }

#if defined(__x86_64__)
/// Leaves the running stack for another; "returns" when somebody switches back.
///
/// Inline, because a call would spoil the processor's return predictor: its entry is never returned through, and every
/// `ret` after it is mispredicted. Nothing is pushed: stack pointer, frame pointer and resume address go into the
/// context, and the compiler saves of the other registers those that are live. MXCSR and the x87 control word are
/// callee-saved by the ABI. Storing MXCSR is most of the cost of a switch (4.8 of 8 ns on an EPYC); loading is cheap, and
/// cheaper than comparing first, which has to wait for the store.
///
/// Neither frame changes its shape, so the compiler's CFI holds, but for the two instructions where the code is still of
/// the one stack and the registers are already of the other; a new one has a frame pointer of zero. There unwinders are
/// told to stop: in a profiler's signal they would read at wrong addresses. `swiftlet-storm` tries each instruction.
#define SWIFTLET_SAVE_REGISTERS \
  "leaq 1f(%%rip), %%rax\n\t"    \
  "movq %%rsp, 0(%%rdi)\n\t"     \
  "movq %%rbp, 8(%%rdi)\n\t"     \
  "movq %%rax, 16(%%rdi)\n\t"
#define SWIFTLET_LOAD_REGISTERS  \
  ".cfi_remember_state\n\t"      \
  "movq 0(%%rsi), %%rsp\n\t"     \
  ".cfi_undefined %%rip\n\t"     \
  "movq 8(%%rsi), %%rbp\n\t"     \
  "jmpq *16(%%rsi)\n\t"          \
  ".cfi_restore_state\n"
#if defined(__AVX512F__)
#define SWIFTLET_WIDE_REGISTERS                                                                                     \
  , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",    \
      "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define SWIFTLET_WIDE_REGISTERS
#endif
#define SWIFTLET_ALL_REGISTERS                                                                                      \
  "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory", "xmm0", "xmm1", \
      "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",  \
      "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)" SWIFTLET_WIDE_REGISTERS

SWIFTLET_INLINE void swiftlet_switch_registers(swiftlet_context *from, swiftlet_context *to) {
  __asm__ volatile(
      SWIFTLET_SAVE_REGISTERS
      "stmxcsr 24(%%rdi)\n\t"
      "fnstcw 28(%%rdi)\n\t"
      "ldmxcsr 24(%%rsi)\n\t"
      "fldcw 28(%%rsi)\n\t"
      SWIFTLET_LOAD_REGISTERS
      "1:\tendbr64"
      : "+D"(from), "+S"(to) : : SWIFTLET_ALL_REGISTERS);
}

/// The same without the control words, for a generator and its resumer: a function call keeps none either.
SWIFTLET_INLINE void swiftlet_switch_plain(swiftlet_context *from, swiftlet_context *to) {
  __asm__ volatile(
      SWIFTLET_SAVE_REGISTERS SWIFTLET_LOAD_REGISTERS "1:\tendbr64"
      : "+D"(from), "+S"(to) : : SWIFTLET_ALL_REGISTERS);
}
#else
/// Saves the callee-saved registers and the floating-point control word on the current stack, stores the stack pointer,
/// and continues on the other stack. Assembly.
void swiftlet_switch_stacks(void **save_stack_pointer, void *stack_pointer);

static inline void swiftlet_switch_registers(swiftlet_context *from, swiftlet_context *to) {
  swiftlet_switch_stacks(&from->stack_pointer, to->stack_pointer);
}

static inline void swiftlet_switch_plain(swiftlet_context *from, swiftlet_context *to) {
  swiftlet_switch_registers(from, to);
}
#endif

void swiftlet_switch_sanitized(swiftlet_context *from, swiftlet_context *to, bool from_ends);

/// Saves what the runtime holds for `from` and puts in place what `to` left. Most stacks hold nothing at a switch: no
/// task, no task-local, no open access, no exception being handled. Then comparing is all there is to do.
SWIFTLET_INLINE void swiftlet_swap_thread_state(swiftlet_thread *thread, swiftlet_context *from, swiftlet_context *to) {
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
/// current task and its task-locals stay. Their open accesses and the exceptions they handle are kept apart: those of a
/// suspended generator would otherwise end in the wrong order. (An exception on its way, with none being handled, runs
/// destructors; one that resumes a generator finds the count of such exceptions shared.)
SWIFTLET_INLINE void swiftlet_swap_generator_state(swiftlet_thread *thread, swiftlet_context *from, swiftlet_context *to) {
  uint64_t *access = thread->words[SWIFTLET_WORD_ACCESS], *globals = thread->exception_globals;
  uint64_t held = *access | globals[0];
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

SWIFTLET_INLINE void swiftlet_continue(swiftlet_thread *thread, swiftlet_context *from, swiftlet_context *to) {
  __atomic_store_n(&thread->current, to, __ATOMIC_RELAXED);  // the watchdog reads it; a plain store all the same
  if (__builtin_expect(thread->is_sanitized, 0)) swiftlet_switch_sanitized(from, to, false);
  else swiftlet_switch_registers(from, to);
}

/// Continues `to`, a suspended or just started context of this thread; returns when somebody switches back.
/// Switching to oneself does nothing.
SWIFTLET_INLINE void swiftlet_switch(swiftlet_context *to) {
  swiftlet_thread *thread = to->thread;
  swiftlet_context *from = thread->current;
  if (__builtin_expect(from == to, 0)) return;  // the saved stack pointer of a running stack is stale
  int saved_errno = *thread->errno_address;
  swiftlet_swap_thread_state(thread, from, to);
  swiftlet_continue(thread, from, to);
  *thread->errno_address = saved_errno;
}

/// Resumes a generator from the running stack.
SWIFTLET_INLINE void swiftlet_resume_generator(swiftlet_context *generator) {
  swiftlet_thread *thread = generator->thread;
  swiftlet_context *from = thread->current;
  generator->resumer = from;
  swiftlet_swap_generator_state(thread, from, generator);
  __atomic_store_n(&thread->current, generator, __ATOMIC_RELAXED);
  if (__builtin_expect(thread->is_sanitized, 0)) swiftlet_switch_sanitized(from, generator, false);
  else swiftlet_switch_plain(from, generator);
}

/// Suspends the running generator and continues its resumer.
SWIFTLET_INLINE void swiftlet_suspend_generator(swiftlet_context *generator) {
  swiftlet_thread *thread = generator->thread;
  swiftlet_context *to = generator->resumer;
  swiftlet_swap_generator_state(thread, generator, to);
  __atomic_store_n(&thread->current, to, __ATOMIC_RELAXED);
  if (__builtin_expect(thread->is_sanitized, 0)) swiftlet_switch_sanitized(generator, to, false);
  else swiftlet_switch_plain(generator, to);
}

/// The stack from which this one was entered, if the two are one flow of control: of a generator its resumer; of a greenlet
/// the stack of the main greenlet, whichever greenlet ran between. NULL where a flow begins, and for a greenlet whose fiber
/// has ended. Right for stacks that run or wait; of one that is suspended it may be out of date.
static inline swiftlet_context *swiftlet_outer_of(const swiftlet_context *context) {
  if (context->kind == SWIFTLET_KIND_GENERATOR) return context->resumer;
  if (context->kind != SWIFTLET_KIND_GREENLET || !context->resumer) return NULL;
  return context->resumer->run == context->resumer_run ? context->resumer : NULL;
}

/// The stack that has the owner of what runs on `context`: a thread, fiber or task.
static inline swiftlet_context *swiftlet_flow_of(swiftlet_context *context) {
  for (swiftlet_context *outer; (outer = swiftlet_outer_of(context));) context = outer;
  return context;
}

/// The innermost cancel scope around what runs on `context`, or NULL. Scopes are kept where they were opened: one that is
/// open across a generator's `yield` is not its resumer's.
static inline void *swiftlet_scope_of(const swiftlet_context *context) {
  for (; context; context = swiftlet_outer_of(context))
    if (context->scope) return context->scope;
  return NULL;
}

/// The stack that greenlets know: a generator's counts as its resumer's.
static inline swiftlet_context *swiftlet_greenlet_stack_of(swiftlet_context *context) {
  while (context->kind == SWIFTLET_KIND_GENERATOR && context->resumer) context = context->resumer;
  return context;
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

/// The thread runs its own stack. From any thread; may be out of date.
static inline bool swiftlet_thread_is_on_root(const swiftlet_thread *thread) {
  return __atomic_load_n(&thread->current, __ATOMIC_RELAXED) == &thread->root;
}

/// Numbers coroutines in the order of their first run, a process.
uint64_t swiftlet_number_next(void);

/// Forgets every suspended stack of this thread: for the child of a fork.
void swiftlet_thread_reset_after_fork(void);

#endif
