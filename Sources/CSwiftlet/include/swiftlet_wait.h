// The hottest path of the runtime: setting a stack aside and making it ready again. In C, on plain pointers: Swift would
// count references to the loop at each step.
#ifndef SWIFTLET_WAIT_H
#define SWIFTLET_WAIT_H

#include "swiftlet_context.h"
#include "swiftlet_queue.h"
#include "swiftlet_stack.h"
#include "swiftlet_trace.h"

/// What a word in the ready queue, the timers or the inbox is: a pointer with one of these in its low bits.
enum {
  SWIFTLET_ITEM_JOB = 0,           // a Swift job without isolation of the loop's own
  SWIFTLET_ITEM_ISOLATED_JOB = 1,  // a Swift job of the main actor or of the loop's serial executor
  SWIFTLET_ITEM_STACK = 2,         // a parked stack to continue
  SWIFTLET_ITEM_FIBER = 3,         // a fiber that has not started; owns a reference
  SWIFTLET_ITEM_CALLBACK = 4,      // a Swift callback object; owns a reference
  SWIFTLET_ITEM_DECISION = 5,      // inbox only: decides a wait; the argument is its number << 3 | outcome
  SWIFTLET_ITEM_TIMEOUT = 6,       // timers only: ends a wait by timeout
  SWIFTLET_ITEM_SLEEP = 7,         // timers only: continues a suspended task; its slot in the loop's table of sleeps
  SWIFTLET_ITEM_PLAIN_JOB = 8,     // a Swift job of a task without executor preference
  SWIFTLET_ITEM_TAGS = 15,
};

/// How a wait ended.
enum {
  SWIFTLET_OUTCOME_WOKEN = 0,
  SWIFTLET_OUTCOME_TIMED_OUT = 1,
  SWIFTLET_OUTCOME_CANCELLED = 2,
  SWIFTLET_OUTCOME_CLOSED = 3,
  SWIFTLET_OUTCOME_DEADLOCKED = 4,
  SWIFTLET_OUTCOME_LOOK_AGAIN = 5,  // of a blocking thread only: undecided, but its scopes have changed
};

/// Names one pending wait. Deciding one that is over does nothing, however long ago it ended: the thread's record is
/// never freed, the number never reused, and the context is only looked at by its own thread, which checks the number
/// first. A NULL context: a thread that blocks.
typedef struct swiftlet_wait {
  swiftlet_thread *thread;
  swiftlet_context *context;
  uint64_t id;
} swiftlet_wait;

/// Notes an event of the loop while somebody records them.
static inline void swiftlet_loop_note(swiftlet_loop_core *core, uint32_t kind, const void *subject, uint64_t object,
                                      uint64_t number, uint32_t detail) {
  swiftlet_trace *trace = __atomic_load_n(&core->trace, __ATOMIC_ACQUIRE);
  if (__builtin_expect(trace != NULL, 0))
    swiftlet_trace_note(trace, kind, (uint64_t)(uintptr_t)subject, object, number, detail);
}

/// Whether somebody records, as far as this thread can tell.
static inline bool swiftlet_loop_is_traced(const swiftlet_loop_core *core) {
  return __atomic_load_n(&core->trace, __ATOMIC_RELAXED) != NULL;
}

static inline void swiftlet_loop_set_trace(swiftlet_loop_core *core, swiftlet_trace *trace) {
  __atomic_store_n(&core->trace, trace, __ATOMIC_RELEASE);
}

/// A fiber was made for a loop: answers the number of the one that made it, if that runs there; else 0. Notes it if somebody
/// records.
static inline uint64_t swiftlet_fiber_made(const void *loop, const void *fiber, const void *file, uint32_t line) {
  swiftlet_thread *thread = swiftlet_this_thread;
  if (!thread || thread->loop != loop) return 0;
  swiftlet_context *flow = swiftlet_flow_of(thread->current);
  uint64_t number = flow->kind == SWIFTLET_KIND_FIBER ? flow->number : 0;
  swiftlet_loop_note(thread->core, SWIFTLET_TRACE_SPAWN, fiber, (uint64_t)(uintptr_t)file, number, line);
  return number;
}

/// A number for a wait, or for the order of a timer.
static inline uint64_t swiftlet_wait_next_id(swiftlet_thread *thread) { return ++thread->last_wait_id; }

/// Begins a wait of the running stack, or of the blocking thread if it has no loop.
swiftlet_wait swiftlet_wait_begin_blocking(swiftlet_thread *thread);

static inline swiftlet_wait swiftlet_wait_begin(swiftlet_thread *thread) {
  if (__builtin_expect(thread->core == NULL, 0)) return swiftlet_wait_begin_blocking(thread);
  swiftlet_context *context = thread->current;
  uint64_t id = ++thread->last_wait_id;
  context->wait_id = id;
  context->wait_object = NULL;
  return (swiftlet_wait){thread, context, id};
}

/// On the loop's own thread. False when the wait had been decided before.
static inline bool swiftlet_wait_decide_here(swiftlet_loop_core *core, swiftlet_context *context, uint64_t id, int outcome) {
  if (context->wait_id != id) return false;
  context->wait_id = 0;
  context->wait_outcome = outcome;
  swiftlet_loop_note(core, SWIFTLET_TRACE_READY, context, 0, id, (uint32_t)outcome);
  swiftlet_ring_push(&core->ready, (uint64_t)(uintptr_t)context | SWIFTLET_ITEM_STACK);
  return true;
}

/// Has the innermost frames of a parked stack fetched, which has not run for a while and is about to.
static inline void swiftlet_context_prefetch(const swiftlet_context *context) {
  const char *frames = context->stack_pointer;
  for (int line = 0; line < 8; line++) __builtin_prefetch(frames + line * 64, 1);
}

bool swiftlet_wait_decide_elsewhere(swiftlet_wait wait, int outcome);

/// Decides a wait, from any thread. Elsewhere than on its own thread true means that the message was accepted.
static inline bool swiftlet_wait_decide(swiftlet_wait wait, int outcome) {
  if (wait.context && wait.thread == swiftlet_this_thread && wait.id >= wait.thread->first_wait_id && wait.thread->core)
    return swiftlet_wait_decide_here(wait.thread->core, wait.context, wait.id, outcome);
  return swiftlet_wait_decide_elsewhere(wait, outcome);
}

/// Blocks until the wait is decided or `limit` (nanoseconds of CLOCK_MONOTONIC, UINT64_MAX: never) is reached, or until it is told to
/// look again.
int swiftlet_wait_block(swiftlet_wait wait, uint64_t limit);

/// Lets a thread that blocks look whether the scopes it is in were cancelled: only itself may look at them.
void swiftlet_wait_look_again(swiftlet_thread *thread);

/// A stack on which the scheduler goes on. Ends the process if there is none: the parked stack could not be told.
swiftlet_context *swiftlet_leader_make(swiftlet_loop_core *core, swiftlet_thread *thread);

/// Leaves the running stack, which somebody has taken note of, and continues with the next work. Stacks hand over to
/// stacks directly, without a scheduler in between, while the budget lasts.
SWIFTLET_INLINE void swiftlet_park_stack(swiftlet_thread *thread, swiftlet_loop_core *core) {
  // A generator is no stack of a job, but may have been resumed by one.
  bool is_isolated = swiftlet_flow_of(thread->current)->is_isolated;
  core->isolated_parked += is_isolated;
  swiftlet_counter_add(&core->parks, 1);
  swiftlet_context *parked = thread->current;
  swiftlet_loop_note(core, SWIFTLET_TRACE_PARK, parked, (uint64_t)(uintptr_t)parked->wait_object, parked->wait_id,
                     (uint32_t)parked->wait_kind);
  swiftlet_ring *ready = &core->ready;
  if (core->budget > 0 && ready->head != ready->tail) {
    uint64_t item = ready->items[ready->head & ready->mask];
    if ((item & SWIFTLET_ITEM_TAGS) == SWIFTLET_ITEM_STACK) {
      ready->head++;
      core->budget--;
      swiftlet_counter_add(&core->turns, 1);
      swiftlet_switch((swiftlet_context *)(uintptr_t)(item & ~(uint64_t)SWIFTLET_ITEM_TAGS));
      core->isolated_parked -= is_isolated;
      swiftlet_loop_note(core, SWIFTLET_TRACE_RESUME, parked, 0, 0, 0);
      return;
    }
  }
  swiftlet_switch(swiftlet_leader_make(core, thread));
  core->isolated_parked -= is_isolated;
  swiftlet_loop_note(core, SWIFTLET_TRACE_RESUME, parked, 0, 0, 0);
}

/// What came of granting a wait.
enum {
  SWIFTLET_GRANT_MADE = 0,       // decided: its stack is in the ready queue
  SWIFTLET_GRANT_OVER = 1,       // it had ended otherwise: grant the next one
  SWIFTLET_GRANT_ELSEWHERE = 2,  // another thread's: made all the same, and that thread is to be told
};

/// Decides a wait in a queue in the granter's favour, if this thread can tell at all.
static inline int swiftlet_wait_grant(swiftlet_wait wait) {
  if (!wait.context || wait.thread != swiftlet_this_thread) return SWIFTLET_GRANT_ELSEWHERE;
  if (wait.id < wait.thread->first_wait_id || !wait.thread->core) return SWIFTLET_GRANT_OVER;
  return swiftlet_wait_decide_here(wait.thread->core, wait.context, wait.id, SWIFTLET_OUTCOME_WOKEN) ? SWIFTLET_GRANT_MADE
                                                                                                     : SWIFTLET_GRANT_OVER;
}

/// The wait is one of this thread's, and has ended: its stack has not run since.
static inline bool swiftlet_wait_is_over_here(swiftlet_wait wait) {
  return wait.context && wait.thread == swiftlet_this_thread &&
         (wait.id < wait.thread->first_wait_id || !wait.thread->core || wait.context->wait_id != wait.id);
}

/// Begins a wait that nothing but its waker and the fiber's cancellation can end: of a fiber that is in no scope. Of any
/// other flow of control, and of a cancelled fiber, it begins none and answers one without a thread.
static inline swiftlet_wait swiftlet_wait_begin_in_fiber(swiftlet_thread *thread, int kind, void *object) {
  swiftlet_context *context = thread->current;
  if (context->kind != SWIFTLET_KIND_FIBER || context->scope || context->owner_is_cancelled)
    return (swiftlet_wait){NULL, NULL, 0};
  uint64_t id = ++thread->last_wait_id;
  context->wait_id = id;
  context->wait_object = object;
  context->wait_kind = kind;
  context->wait_is_shielded = false;
  context->parked = context;
  return (swiftlet_wait){thread, context, id};
}

/// Ends a wait that was begun, of which nobody has been told, and which turned out not to be needed.
void swiftlet_wait_abandon(swiftlet_wait wait);

/// One round of waiting for a spin lock: pauses at first, then lets other threads run, in the end sleeps.
void swiftlet_spin(unsigned round);

/// Puts the running stack at the end of the ready queue and lets the others run.
SWIFTLET_INLINE void swiftlet_yield_stack(swiftlet_thread *thread, swiftlet_loop_core *core) {
  swiftlet_ring_push(&core->ready, (uint64_t)(uintptr_t)thread->current | SWIFTLET_ITEM_STACK);
  swiftlet_park_stack(thread, core);
}

#endif
