#define _GNU_SOURCE
#include "swiftlet_foreign.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "swiftlet_thread_state.h"
#include "swiftlet_wait.h"

enum { BUCKETS = 256 };

// Pthread mutexes: the thread sanitizer understands them.
static struct bucket {
  pthread_mutex_t lock;
  swiftlet_foreign_wait *first;
} buckets[BUCKETS] = {[0 ... BUCKETS - 1] = {PTHREAD_MUTEX_INITIALIZER, NULL}};
static atomic_int waits;
// This thread's waits that a signal may end; the one that began last comes first.
static __thread swiftlet_foreign_wait *latest;

static struct bucket *bucket_of(uint64_t key) {
  return &buckets[(key ^ key >> 8 ^ key >> 17) % BUCKETS];
}

static __attribute__((noinline)) const void *stack_of(swiftlet_thread *thread) {
  swiftlet_context *context = thread->current;
  // The thread's own stack and the scheduler's wait for all others; and within a wait that has begun, there is no other.
  if (context->kind == SWIFTLET_KIND_ROOT || context->kind == SWIFTLET_KIND_SCHEDULER || context->wait_id) return NULL;
  swiftlet_context *flow = swiftlet_flow_of(context);
  if (flow->kind == SWIFTLET_KIND_ROOT || flow->kind == SWIFTLET_KIND_SCHEDULER) return NULL;
  if (!thread->has_task_state && swiftlet_current_task()) return NULL;
  // A signal handler on a stack of its own, while the record says what it interrupted.
  const char *here = __builtin_frame_address(0);
  if (here < context->low || here >= context->low + context->size) return NULL;
  return context->low + context->size;
}

// Each covered call of each thread asks: one look for those without a loop.
const void *swiftlet_foreign_stack(void) {
  swiftlet_thread *thread = swiftlet_this_thread;
  return thread && thread->core ? stack_of(thread) : NULL;
}

const void *swiftlet_foreign_context(void) {
  swiftlet_thread *thread = swiftlet_this_thread;
  return thread ? thread->current : NULL;
}

bool swiftlet_foreign_has_waits(void) { return atomic_load(&waits) > 0; }

void swiftlet_foreign_enlist(swiftlet_foreign_wait *wait) {
  if (wait->key != SWIFTLET_FOREIGN_NO_KEY) {
    struct bucket *bucket = bucket_of(wait->key);
    atomic_fetch_add(&waits, 1);
    pthread_mutex_lock(&bucket->lock);
    // At the end: the first that came is woken first.
    swiftlet_foreign_wait **end = &bucket->first, *previous = NULL;
    while (*end) {
      previous = *end;
      end = &previous->next;
    }
    wait->previous = previous;
    wait->next = NULL;
    *end = wait;
    pthread_mutex_unlock(&bucket->lock);
  }
  if (wait->is_signal_proof) return;
  wait->later = NULL;
  wait->earlier = latest;
  if (latest) latest->later = wait;
  latest = wait;
}

void swiftlet_foreign_withdraw(swiftlet_foreign_wait *wait) {
  if (!wait->is_signal_proof) {
    if (wait->later) wait->later->earlier = wait->earlier;
    else latest = wait->earlier;
    if (wait->earlier) wait->earlier->later = wait->later;
  }
  if (wait->key == SWIFTLET_FOREIGN_NO_KEY) return;
  struct bucket *bucket = bucket_of(wait->key);
  pthread_mutex_lock(&bucket->lock);
  if (wait->previous) wait->previous->next = wait->next;
  else bucket->first = wait->next;
  if (wait->next) wait->next->previous = wait->previous;
  pthread_mutex_unlock(&bucket->lock);
  atomic_fetch_sub(&waits, 1);
}

// A signal's handler may wake too (sem_post), in the middle of anything: it must not wait for what its own thread holds.
static bool lock_soon(pthread_mutex_t *lock) {
  for (int round = 0; round < 200; round++) {
    if (pthread_mutex_trylock(lock) == 0) return true;
    if (round > 100) sched_yield();
  }
  return false;
}

static bool can_be_told(const swiftlet_foreign_wait *wait) {
  swiftlet_thread *thread = wait->thread;
  if (thread == swiftlet_this_thread) return true;
  if (!lock_soon(&thread->inbox.lock)) return false;
  pthread_mutex_unlock(&thread->inbox.lock);
  return true;
}

int swiftlet_foreign_wake(uint64_t key, int most, int manner) {
  if (atomic_load(&waits) == 0) return 0;
  struct bucket *bucket = bucket_of(key);
  bool closes = manner == SWIFTLET_WAKE_CLOSED, is_patient = manner != SWIFTLET_WAKE_IF_POSSIBLE;
  int count = 0;
  if (is_patient) pthread_mutex_lock(&bucket->lock);
  else if (!lock_soon(&bucket->lock)) return 0;
  for (swiftlet_foreign_wait *wait = bucket->first; wait && count < most; wait = wait->next) {
    if (wait->key != key || wait->is_woken || (!is_patient && !can_be_told(wait))) continue;
    // Closed, also if it has been decided otherwise before: the number may be another's when the stack runs.
    if (closes) wait->is_closed = true;
    else wait->is_woken = true;
    count++;
    swiftlet_wait pending = {wait->thread, wait->context, wait->id};
    swiftlet_wait_decide(pending, closes ? SWIFTLET_OUTCOME_CLOSED : SWIFTLET_OUTCOME_WOKEN);
  }
  pthread_mutex_unlock(&bucket->lock);
  return count;
}

// Which signal it was is not known here: one handler without SA_RESTART is enough, as callers expect EINTR anyway. Those of
// crashes do not count, SIGQUIT among them: Swift's backtracer catches it.
static bool some_handler_interrupts(void) {
  for (int signal = 1; signal < NSIG; signal++) {
    struct sigaction action;
    if (signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP ||
        signal == SIGABRT || signal == SIGQUIT || signal == SIGSYS || signal == SIGKILL || signal == SIGSTOP)
      continue;
    if (sigaction(signal, NULL, &action) != 0 || (action.sa_flags & SA_RESTART)) continue;
    if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN) return true;
  }
  return false;
}

void swiftlet_foreign_interrupt(void) {
  int interrupts = -1;
  for (swiftlet_foreign_wait *wait = latest; wait; wait = wait->earlier) {
    if (wait->is_interrupted) continue;
    if (wait->restarts) {
      if (interrupts < 0) interrupts = some_handler_interrupts();
      if (!interrupts) continue;
    }
    wait->is_interrupted = true;
    swiftlet_wait pending = {wait->thread, wait->context, wait->id};
    swiftlet_wait_decide(pending, SWIFTLET_OUTCOME_WOKEN);
    return;
  }
}

void swiftlet_foreign_forget_all(void) {
  for (int i = 0; i < BUCKETS; i++) {
    pthread_mutex_init(&buckets[i].lock, NULL);
    buckets[i].first = NULL;
  }
  atomic_store(&waits, 0);
  latest = NULL;
  swiftlet_this_thread = NULL;
}

// Linked into the program, it is found here; loaded before the program, by its name.
extern bool swiftlet_interpose_preloaded(const void *host) __attribute__((weak));

void swiftlet_foreign_announce(const swiftlet_foreign_host *host) {
  if (!getenv("SWIFTLET_INTERPOSE")) return;
  bool (*attach)(const void *) = swiftlet_interpose_preloaded;
  if (!attach) {
    void *found = dlsym(RTLD_DEFAULT, "swiftlet_interpose_preloaded");
    memcpy(&attach, &found, sizeof attach);
  }
  if (attach) attach(host);
}
