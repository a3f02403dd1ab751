// sleep and its kin: a timer of the loop.
#include "interpose.h"

#include <sys/select.h>
#include <threads.h>
#include <unistd.h>

#define SLEEPING SWIFTLET_FAMILY_SLEEPING

/// Sleeps until `deadline`. Answers an outcome; TIMED_OUT: it has slept.
static int sleep_until(const void *stack, uint64_t deadline) {
  return interpose_wait(stack, -1, false, deadline, false);
}

static struct timespec left_until(uint64_t deadline) {
  uint64_t now = interpose_now(), left = deadline > now ? deadline - now : 0;
  return (struct timespec){(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
}

static bool is_nothing(const struct timespec *time) { return time->tv_sec == 0 && time->tv_nsec == 0; }

COVER(SLEEPING, int, nanosleep, const struct timespec *wanted, struct timespec *left) {
  const void *stack = interpose_gate(SLEEPING);
  if (!stack || !interpose_is_valid(wanted) || is_nothing(wanted)) return NEXT(nanosleep)(wanted, left);
  uint64_t deadline = interpose_after(interpose_nanoseconds(wanted));
  int outcome = sleep_until(stack, deadline);
  if (outcome == SWIFTLET_FOREIGN_TIMED_OUT) return 0;
  if (outcome == SWIFTLET_FOREIGN_REFUSED) return NEXT(nanosleep)(wanted, left);
  if (left) *left = left_until(deadline);
  errno = interpose_errno(outcome);
  return -1;
}

COVER(SLEEPING, int, clock_nanosleep, clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
  const void *stack = interpose_gate(SLEEPING);
  struct timespec now;
  bool is_known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
  if (!stack || !is_known || !interpose_is_valid(wanted) || is_nothing(wanted))
    return NEXT(clock_nanosleep)(clock, flags, wanted, left);
  uint64_t nanoseconds = interpose_nanoseconds(wanted);
  if (flags & TIMER_ABSTIME) {
    clock_gettime(clock, &now);
    uint64_t since = interpose_nanoseconds(&now);
    if (nanoseconds <= since) return 0;
    nanoseconds -= since;
  }
  uint64_t deadline = interpose_after(nanoseconds);
  int outcome = sleep_until(stack, deadline);
  if (outcome == SWIFTLET_FOREIGN_TIMED_OUT) return 0;
  if (outcome == SWIFTLET_FOREIGN_REFUSED) return NEXT(clock_nanosleep)(clock, flags, wanted, left);
  if (left && !(flags & TIMER_ABSTIME)) *left = left_until(deadline);
  return interpose_errno(outcome);
}

COVER(SLEEPING, int, __nanosleep, const struct timespec *wanted, struct timespec *left) {
  return interpose_gate(SLEEPING) ? nanosleep(wanted, left) : NEXT(__nanosleep)(wanted, left);
}

COVER(SLEEPING, unsigned, sleep, unsigned seconds) {
  const void *stack = interpose_gate(SLEEPING);
  if (!stack || seconds == 0) return NEXT(sleep)(seconds);
  struct timespec wanted = {.tv_sec = seconds}, left;
  int saved = errno;
  if (nanosleep(&wanted, &left) == 0) {
    errno = saved;
    return 0;
  }
  return (unsigned)left.tv_sec + (left.tv_nsec > 0);
}

COVER(SLEEPING, int, usleep, useconds_t microseconds) {
  const void *stack = interpose_gate(SLEEPING);
  if (!stack || microseconds == 0) return NEXT(usleep)(microseconds);
  struct timespec wanted = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
  return nanosleep(&wanted, NULL);
}

COVER(SLEEPING, int, thrd_sleep, const struct timespec *wanted, struct timespec *left) {
  if (!interpose_gate(SLEEPING)) return NEXT(thrd_sleep)(wanted, left);
  int reason = clock_nanosleep(CLOCK_REALTIME, 0, wanted, left);
  return reason == 0 ? 0 : reason == EINTR ? -1 : -2;
}

COVER(SLEEPING, int, pause, void) {
  const void *stack = interpose_gate(SLEEPING);
  if (!stack) return NEXT(pause)();
  int outcome = sleep_until(stack, UINT64_MAX);
  if (outcome == SWIFTLET_FOREIGN_REFUSED) return NEXT(pause)();
  errno = interpose_errno(outcome);
  return -1;
}
