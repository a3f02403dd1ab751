// pthread mutexes, condition variables and pthread_join.
//
// A mutex that another thread holds is waited for as ever: that thread runs. One that a parked stack of this very thread holds
// would never be given back, since the thread would block: then the caller parks. A recursive mutex lets its thread in again,
// so the stack that holds it is remembered, and other stacks of the thread are kept out.
//
// Waiting for a condition parks. None of it ends by cancellation: callers look at their condition again, and would spin.
#include "interpose.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS SWIFTLET_FAMILY_THREADS

COVER(THREADS, int, pthread_mutex_lock, pthread_mutex_t *mutex);
COVER(THREADS, int, pthread_mutex_unlock, pthread_mutex_t *mutex);

static inline bool is_wanted(void) { return __atomic_load_n(&interpose_families, __ATOMIC_RELAXED) & THREADS; }

// MARK: Who holds a mutex

static bool is_held_by_this_thread(const pthread_mutex_t *mutex) {
  static __thread int own_number;
  // The kernel's number changes in the child of a fork, where this copy stays: asked for anew when it does not fit.
  if (!own_number) own_number = (int)syscall(SYS_gettid);
  int owner = __atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED);
  if (owner == own_number) return true;
  if (owner != (int)syscall(SYS_gettid)) return false;
  own_number = owner;
  return true;
}

static bool is_recursive(const pthread_mutex_t *mutex) {
  return (mutex->__data.__kind & 3) == PTHREAD_MUTEX_RECURSIVE;
}

/// The recursive mutexes that stacks of this thread hold.
enum { HOLDINGS = 64 };
static __thread struct holding {
  const pthread_mutex_t *mutex;
  const void *context;
} holdings[HOLDINGS];

static struct holding *holding_of(const pthread_mutex_t *mutex) {
  for (int i = 0; i < HOLDINGS; i++)
    if (holdings[i].mutex == mutex) return &holdings[i];
  return NULL;
}

static atomic_int mutex_waits, condition_waits;

/// Wakes one stack that waits for the mutex. The host's own mutexes come here again, and nobody waits for those.
static void wake_for(pthread_mutex_t *mutex) {
  static __thread bool is_waking;
  if (is_waking) return;
  is_waking = true;
  int reason = errno;
  interpose_host->wake(interpose_key(mutex), 1, SWIFTLET_WAKE_READY);
  errno = reason;
  is_waking = false;
}

/// Parks until the mutex may be free. Once a second it tells people.
static int wait_for_stack(const void *stack, pthread_mutex_t *mutex, uint64_t deadline) {
  const uint64_t second = 1000000000;
  uint64_t next = interpose_after(second);
  atomic_fetch_add(&mutex_waits, 1);
  int outcome = interpose_wait_key_shielded(stack, mutex, next < deadline ? next : deadline, NULL, NULL);
  atomic_fetch_sub(&mutex_waits, 1);
  if (outcome == SWIFTLET_FOREIGN_TIMED_OUT && next < deadline) {
    char text[240];
    snprintf(text, sizeof text,
             "a fiber or task has waited for a second for the pthread mutex at %p, which another one of the same thread holds "
             "while it is parked. Leave the lock before you wait, or the two may wait for each other for ever.",
             (void *)mutex);
    interpose_host->report(text);
    return SWIFTLET_FOREIGN_READY;
  }
  return outcome;
}

/// Locks a mutex that was busy; `deadline` UINT64_MAX: none. Answers -1 when libc should be asked.
static int lock_busy(pthread_mutex_t *mutex, uint64_t deadline, int (*attempt)(pthread_mutex_t *)) {
  while (is_held_by_this_thread(mutex)) {
    const void *stack = interpose_gate(THREADS);
    if (!stack) return -1;
    int outcome = wait_for_stack(stack, mutex, deadline);
    if (outcome == SWIFTLET_FOREIGN_REFUSED) return -1;
    int result = attempt(mutex);
    if (result != EBUSY) return result;
    if (outcome == SWIFTLET_FOREIGN_TIMED_OUT) return ETIMEDOUT;
  }
  return -1;
}

COVER(THREADS, int, pthread_mutex_trylock, pthread_mutex_t *mutex) {
  if (LIKELY(!is_wanted()) || !is_recursive(mutex)) return NEXT(pthread_mutex_trylock)(mutex);
  const void *context = interpose_gate(THREADS) ? interpose_host->context() : NULL;
  int result = NEXT(pthread_mutex_trylock)(mutex);
  if (result != 0 || !context) return result;
  struct holding *holding = holding_of(mutex);
  if (holding && mutex->__data.__count > 1 && holding->context != context) {
    NEXT(pthread_mutex_unlock)(mutex);
    return EBUSY;
  }
  if (!holding) holding = holding_of(NULL);
  // With more than the table has room for, the others are let in as ever.
  if (holding) *holding = (struct holding){mutex, context};
  return 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
  // Who is no stack of a loop waits for other threads only.
  if (LIKELY(!interpose_gate(THREADS))) return NEXT(pthread_mutex_lock)(mutex);
  // Of the kind that checks for errors, the holding thread is told so.
  if ((mutex->__data.__kind & 3) == PTHREAD_MUTEX_ERRORCHECK) return NEXT(pthread_mutex_lock)(mutex);
  int result = pthread_mutex_trylock(mutex);
  if (LIKELY(result != EBUSY)) return result;
  result = lock_busy(mutex, UINT64_MAX, pthread_mutex_trylock);
  if (result >= 0) return result;
  return NEXT(pthread_mutex_lock)(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex) {
  if (LIKELY(!is_wanted())) return NEXT(pthread_mutex_unlock)(mutex);
  if (is_recursive(mutex) && mutex->__data.__count == 1) {
    struct holding *holding = holding_of(mutex);
    if (holding) holding->mutex = NULL;
  }
  int result = NEXT(pthread_mutex_unlock)(mutex);
  if (atomic_load(&mutex_waits) > 0) wake_for(mutex);
  return result;
}

static uint64_t deadline_at(clockid_t clock, const struct timespec *limit) {
  struct timespec now;
  clock_gettime(clock, &now);
  uint64_t end = interpose_nanoseconds(limit), since = interpose_nanoseconds(&now);
  return end > since ? interpose_after(end - since) : 0;
}

COVER(THREADS, int, pthread_mutex_timedlock, pthread_mutex_t *mutex, const struct timespec *limit) {
  if (LIKELY(!is_wanted()) || !interpose_is_valid(limit)) return NEXT(pthread_mutex_timedlock)(mutex, limit);
  int result = pthread_mutex_trylock(mutex);
  if (result != EBUSY) return result;
  result = lock_busy(mutex, deadline_at(CLOCK_REALTIME, limit), pthread_mutex_trylock);
  return result >= 0 ? result : NEXT(pthread_mutex_timedlock)(mutex, limit);
}

COVER(THREADS, int, __pthread_mutex_lock, pthread_mutex_t *mutex) {
  return is_wanted() ? pthread_mutex_lock(mutex) : NEXT(__pthread_mutex_lock)(mutex);
}
COVER(THREADS, int, __pthread_mutex_unlock, pthread_mutex_t *mutex) {
  return is_wanted() ? pthread_mutex_unlock(mutex) : NEXT(__pthread_mutex_unlock)(mutex);
}

// MARK: Condition variables

// glibc keeps both in the low bits of the count of waiters (nptl/pthread_cond_common.c).
static bool is_shared(const pthread_cond_t *condition) { return condition->__data.__wrefs & 1; }
static clockid_t clock_of(const pthread_cond_t *condition) {
  return condition->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static void unlock_begun(void *mutex) {
  // Inside a wait that has begun: who waits for the mutex is only put into the ready queue.
  pthread_mutex_unlock(mutex);
}

/// Answers 0, ETIMEDOUT, or -1 when libc should be asked.
static int wait_for_condition(const void *stack, pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t deadline) {
  if (is_shared(condition)) return -1;
  atomic_fetch_add(&condition_waits, 1);
  int outcome = interpose_wait_key_shielded(stack, condition, deadline, unlock_begun, mutex);
  atomic_fetch_sub(&condition_waits, 1);
  if (outcome == SWIFTLET_FOREIGN_REFUSED) return -1;
  int result = pthread_mutex_lock(mutex);
  return result != 0 ? result : outcome == SWIFTLET_FOREIGN_TIMED_OUT ? ETIMEDOUT : 0;
}

COVER(THREADS, int, pthread_cond_wait, pthread_cond_t *condition, pthread_mutex_t *mutex) {
  const void *stack = interpose_gate(THREADS);
  int result = stack ? wait_for_condition(stack, condition, mutex, UINT64_MAX) : -1;
  return result >= 0 ? result : NEXT(pthread_cond_wait)(condition, mutex);
}

COVER(THREADS, int, pthread_cond_timedwait, pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *limit) {
  const void *stack = interpose_gate(THREADS);
  int result = -1;
  if (stack && interpose_is_valid(limit))
    result = wait_for_condition(stack, condition, mutex, deadline_at(clock_of(condition), limit));
  return result >= 0 ? result : NEXT(pthread_cond_timedwait)(condition, mutex, limit);
}

COVER(THREADS, int, pthread_cond_clockwait, pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *limit) {
  const void *stack = interpose_gate(THREADS);
  bool is_known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
  int result = -1;
  if (stack && is_known && interpose_is_valid(limit))
    result = wait_for_condition(stack, condition, mutex, deadline_at(clock, limit));
  return result >= 0 ? result : NEXT(pthread_cond_clockwait)(condition, mutex, clock, limit);
}

// Stacks and threads may wait for the same condition. Both are told: POSIX lets a wait end without need.
COVER(THREADS, int, pthread_cond_signal, pthread_cond_t *condition) {
  int result = NEXT(pthread_cond_signal)(condition);
  if (atomic_load(&condition_waits) > 0) interpose_host->wake(interpose_key(condition), 1, SWIFTLET_WAKE_READY);
  return result;
}
COVER(THREADS, int, pthread_cond_broadcast, pthread_cond_t *condition) {
  int result = NEXT(pthread_cond_broadcast)(condition);
  if (atomic_load(&condition_waits) > 0) interpose_host->wake(interpose_key(condition), INT_MAX, SWIFTLET_WAKE_READY);
  return result;
}

// MARK: pthread_join

COVER(THREADS, int, pthread_join, pthread_t thread, void **value);

typedef struct {
  pthread_t thread;
  void *value;
  int result;
} join;

static void join_elsewhere(void *argument) {
  join *join = argument;
  join->result = NEXT(pthread_join)(join->thread, &join->value);
}

int pthread_join(pthread_t thread, void **value) {
  const void *stack = interpose_gate(THREADS);
  if (!stack || pthread_equal(thread, pthread_self())) return NEXT(pthread_join)(thread, value);
  join call = {.thread = thread};
  if (interpose_offload(stack, join_elsewhere, &call, true, true) == SWIFTLET_FOREIGN_REFUSED)
    return NEXT(pthread_join)(thread, value);
  if (call.result == 0 && value) *value = call.value;
  return call.result;
}
