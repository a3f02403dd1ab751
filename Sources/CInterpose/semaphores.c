// sem_wait and its kin: sem_post wakes a parked stack. What it cannot wake in time (another process posts; the handler of a
// signal posts at a bad moment), the stack finds by looking again.
#include "interpose.h"

#include <limits.h>
#include <semaphore.h>

#define SEMAPHORES SWIFTLET_FAMILY_SEMAPHORES

/// How long between two looks. Posts of other processes are never heard of, others nearly always.
static uint64_t pause_between_looks(const sem_t *semaphore) {
  const uint64_t of_a_shared_one = 10000000, of_an_own_one = 100000000;
  // glibc's layout on 64-bit systems: the value and the number of waiters, then whether it is shared.
  return ((const int *)semaphore)[2] != 0 ? of_a_shared_one : of_an_own_one;
}

COVER(SEMAPHORES, int, sem_trywait, sem_t *semaphore) { return NEXT(sem_trywait)(semaphore); }

// Stacks that wait. Who posts looks here first.
static atomic_int waits;

/// Takes a permit by `deadline`. Answers 0, or the error.
static int take(const void *stack, sem_t *semaphore, uint64_t deadline, bool *is_refused) {
  for (;;) {
    uint64_t next = interpose_after(pause_between_looks(semaphore));
    atomic_fetch_add(&waits, 1);
    int outcome = interpose_wait_key(stack, semaphore, next < deadline ? next : deadline);
    atomic_fetch_sub(&waits, 1);
    // Whatever the outcome: who was woken holds the wake-up of that permit.
    if (NEXT(sem_trywait)(semaphore) == 0) return 0;
    if (outcome == SWIFTLET_FOREIGN_REFUSED) return *is_refused = true, 0;
    if (outcome == SWIFTLET_FOREIGN_TIMED_OUT && next >= deadline) return ETIMEDOUT;
    if (outcome == SWIFTLET_FOREIGN_CANCELLED || outcome == SWIFTLET_FOREIGN_INTERRUPTED) return interpose_errno(outcome);
  }
}

COVER(SEMAPHORES, int, sem_wait, sem_t *semaphore) {
  const void *stack = interpose_gate(SEMAPHORES);
  if (LIKELY(!stack)) return NEXT(sem_wait)(semaphore);
  if (LIKELY(NEXT(sem_trywait)(semaphore) == 0)) return 0;
  bool is_refused = false;
  int reason = take(stack, semaphore, UINT64_MAX, &is_refused);
  if (is_refused) return NEXT(sem_wait)(semaphore);
  if (reason == 0) return 0;
  errno = reason;
  return -1;
}

static uint64_t deadline_at(clockid_t clock, const struct timespec *limit) {
  struct timespec now;
  clock_gettime(clock, &now);
  uint64_t end = interpose_nanoseconds(limit), since = interpose_nanoseconds(&now);
  return end > since ? interpose_after(end - since) : 0;
}

COVER(SEMAPHORES, int, sem_timedwait, sem_t *semaphore, const struct timespec *limit) {
  const void *stack = interpose_gate(SEMAPHORES);
  // A permit is taken also with a limit that is none: sem_timedwait(3).
  if (!stack || !interpose_is_valid(limit)) return NEXT(sem_timedwait)(semaphore, limit);
  if (NEXT(sem_trywait)(semaphore) == 0) return 0;
  uint64_t deadline = deadline_at(CLOCK_REALTIME, limit);
  bool is_refused = false;
  int reason = deadline == 0 ? ETIMEDOUT : take(stack, semaphore, deadline, &is_refused);
  if (is_refused) return NEXT(sem_timedwait)(semaphore, limit);
  if (reason == 0) return 0;
  errno = reason;
  return -1;
}

COVER(SEMAPHORES, int, sem_clockwait, sem_t *semaphore, clockid_t clock, const struct timespec *limit) {
  const void *stack = interpose_gate(SEMAPHORES);
  bool is_known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
  if (!stack || !is_known || !interpose_is_valid(limit)) return NEXT(sem_clockwait)(semaphore, clock, limit);
  if (NEXT(sem_trywait)(semaphore) == 0) return 0;
  uint64_t deadline = deadline_at(clock, limit);
  bool is_refused = false;
  int reason = deadline == 0 ? ETIMEDOUT : take(stack, semaphore, deadline, &is_refused);
  if (is_refused) return NEXT(sem_clockwait)(semaphore, clock, limit);
  if (reason == 0) return 0;
  errno = reason;
  return -1;
}

COVER(SEMAPHORES, int, sem_post, sem_t *semaphore) {
  int result = NEXT(sem_post)(semaphore);
  if (LIKELY(!(__atomic_load_n(&interpose_families, __ATOMIC_RELAXED) & SEMAPHORES))) return result;
  if (LIKELY(atomic_load(&waits) == 0)) return result;
  // A handler may post. On a loop's stack it can be told; elsewhere the host does not wait for its locks.
  const void *stack = interpose_host->stack();
  if (!(stack && interpose_in_signal_handler(stack))) {
    int reason = errno;
    interpose_host->wake(interpose_key(semaphore), 1, SWIFTLET_WAKE_IF_POSSIBLE);
    errno = reason;
  }
  return result;
}
