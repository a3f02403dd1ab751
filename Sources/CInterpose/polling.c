// poll, select, epoll_wait and their kin.
//
// One descriptor and one ordinary side is waited for as such. Anything else is put into an epoll descriptor of the call's
// own, and that is waited for: whatever poll can ask for, epoll can.
#include "descriptors.h"
#include "interpose.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POLLING SWIFTLET_FAMILY_POLLING

COVER(POLLING, int, ppoll, struct pollfd *wanted, nfds_t count, const struct timespec *limit, const sigset_t *mask);

static const struct timespec at_once;

/// Signals that are held back now and would be let through by `mask`, as a descriptor; -1: none.
static int signals_let_through(const sigset_t *mask) {
  sigset_t held, wanted;
  bool has_some = false;
  if (!mask || pthread_sigmask(SIG_SETMASK, NULL, &held) != 0) return -1;
  sigemptyset(&wanted);
  for (int signal = 1; signal < NSIG; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP || sigismember(&held, signal) != 1 || sigismember(mask, signal) == 1)
      continue;
    sigaddset(&wanted, signal);
    has_some = true;
  }
  return has_some ? signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

/// What epoll is to look for: poll's bits have the same values.
static uint32_t events_of(const struct pollfd *wanted, nfds_t count, nfds_t at) {
  uint32_t events = 0;
  for (nfds_t i = 0; i < count; i++)
    if (wanted[i].fd == wanted[at].fd) events |= (uint16_t)wanted[i].events;
  return events;
}

/// Waits for several, or for more than one side. Answers an outcome; READY may be wrong: the caller looks.
static int wait_for_many(
    const void *stack, const struct pollfd *wanted, nfds_t count, uint64_t deadline, int signals) {
  const uint64_t pause = 10000000;
  int many = epoll_create1(EPOLL_CLOEXEC);
  int outcome = SWIFTLET_FOREIGN_READY;
  bool is_complete = many >= 0;
  for (nfds_t i = 0; i < count && many >= 0; i++) {
    if (wanted[i].fd < 0) continue;
    struct epoll_event event = {.events = events_of(wanted, count, i)};
    // EPERM: a file, of which nothing new will be told. EEXIST: named twice.
    if (epoll_ctl(many, EPOLL_CTL_ADD, wanted[i].fd, &event) != 0 && errno != EPERM && errno != EEXIST) {
      is_complete = false;
      break;
    }
  }
  struct epoll_event event = {.events = EPOLLIN};
  if (many >= 0 && signals >= 0) epoll_ctl(many, EPOLL_CTL_ADD, signals, &event);
  if (is_complete) {
    outcome = interpose_wait(stack, many, false, deadline, false);
  } else {
    // Out of descriptors, or one of them was closed just now: looked at from time to time.
    uint64_t next = interpose_after(pause);
    outcome = interpose_wait(stack, -1, false, next < deadline ? next : deadline, false);
    if (outcome == SWIFTLET_FOREIGN_TIMED_OUT && next < deadline) outcome = SWIFTLET_FOREIGN_READY;
  }
  if (many >= 0) syscall(SYS_close, many);
  return outcome;
}

/// `told`, if it is not NULL, gets what poll would say of the only descriptor, if the kernel has just told that.
static int wait_for_any(
    const void *stack, const struct pollfd *wanted, nfds_t count, uint64_t deadline, int signals, short *told) {
  const short reading = POLLIN | POLLRDNORM, writing = POLLOUT | POLLWRNORM;
  nfds_t real = 0, last = 0;
  for (nfds_t i = 0; i < count; i++) {
    if (wanted[i].fd < 0) continue;
    real++;
    last = i;
  }
  if (real == 0 && signals < 0) return interpose_wait(stack, -1, false, deadline, false);
  if (real == 1 && signals < 0) {
    // These are told whether they are asked for or not: poll(2). libpq asks.
    short events = wanted[last].events & ~(POLLERR | POLLHUP | POLLNVAL);
    bool reads = (events & POLLIN) && !(events & ~(reading | POLLRDHUP));
    if (reads || ((events & writing) && !(events & ~writing))) {
      short bits = 0;
      int outcome = interpose_wait_told(stack, wanted[last].fd, !reads, deadline, &bits);
      // The loop asks for these of the side: of others it knows nothing.
      bool is_known = count == 1 && !(events & ~(reads ? POLLIN | POLLRDHUP : POLLOUT));
      if (told && is_known) *told = bits & (wanted[last].events | POLLERR | POLLHUP);
      return outcome;
    }
  }
  return wait_for_many(stack, wanted, count, deadline, signals);
}

/// ppoll, whose first look has found nothing. `deadline` UINT64_MAX: no limit.
static int poll_on(const void *stack, struct pollfd *wanted, nfds_t count, uint64_t deadline, const sigset_t *mask) {
  enum { ROUNDS_WITHOUT_PAUSE = 4 };
  int signals = signals_let_through(mask), result = 0;
  for (unsigned round = 0;; round++) {
    int outcome = SWIFTLET_FOREIGN_READY;
    if (round > ROUNDS_WITHOUT_PAUSE) {
      // Told to be ready, and is not: somebody else is always quicker.
      uint64_t next = interpose_after(1000000);
      outcome = interpose_wait(stack, -1, false, next < deadline ? next : deadline, false);
      if (outcome == SWIFTLET_FOREIGN_TIMED_OUT && next < deadline) outcome = SWIFTLET_FOREIGN_READY;
    }
    short told = 0;
    if (outcome == SWIFTLET_FOREIGN_READY) outcome = wait_for_any(stack, wanted, count, deadline, signals, &told);
    if (told) {
      // It was so at a moment of the call: all that poll ever says.
      wanted->revents = told;
      result = 1;
      break;
    }
    if (outcome == SWIFTLET_FOREIGN_CANCELLED || outcome == SWIFTLET_FOREIGN_INTERRUPTED) {
      errno = interpose_errno(outcome);
      result = -1;
      break;
    }
    if (outcome == SWIFTLET_FOREIGN_REFUSED) {
      uint64_t now = interpose_now(), left = deadline > now ? deadline - now : 0;
      struct timespec limit = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
      result = NEXT(ppoll)(wanted, count, deadline == UINT64_MAX ? NULL : &limit, mask);
      break;
    }
    result = NEXT(ppoll)(wanted, count, &at_once, mask);
    if (result != 0 || outcome == SWIFTLET_FOREIGN_TIMED_OUT) break;
  }
  if (signals >= 0) {
    int reason = errno;
    syscall(SYS_close, signals);
    errno = reason;
  }
  return result;
}

COVER(POLLING, int, poll, struct pollfd *wanted, nfds_t count, int milliseconds) {
  const void *stack = milliseconds == 0 ? NULL : interpose_gate(POLLING);
  if (!stack) return NEXT(poll)(wanted, count, milliseconds);
  // The loop looks too, when it begins to wait.
  bool looks = count != 1 || !wanted || !interpose_expects_nothing(wanted->fd);
  int result = looks ? NEXT(poll)(wanted, count, 0) : 0;
  if (looks && count == 1 && result >= 0) interpose_note_look(wanted->fd, result > 0);
  if (result != 0) return result;
  uint64_t deadline = milliseconds < 0 ? UINT64_MAX : interpose_after((uint64_t)milliseconds * 1000000u);
  result = poll_on(stack, wanted, count, deadline, NULL);
  if (LIKELY(looks || result >= 0)) return result;
  // One that was cancelled before it began answers what is ready all the same.
  int reason = errno, found = NEXT(poll)(wanted, count, 0);
  errno = reason;
  return found > 0 ? found : result;
}

int ppoll(struct pollfd *wanted, nfds_t count, const struct timespec *limit, const sigset_t *mask) {
  const void *stack = interpose_gate(POLLING);
  if (!stack || (limit && (!interpose_is_valid(limit) || interpose_nanoseconds(limit) == 0)))
    return NEXT(ppoll)(wanted, count, limit, mask);
  uint64_t deadline = limit ? interpose_after(interpose_nanoseconds(limit)) : UINT64_MAX;
  int result = NEXT(ppoll)(wanted, count, &at_once, mask);
  if (result != 0) return result;
  return poll_on(stack, wanted, count, deadline, mask);
}

COVER(POLLING, int, __poll, struct pollfd *wanted, nfds_t count, int milliseconds) {
  return interpose_gate(POLLING) ? poll(wanted, count, milliseconds) : NEXT(__poll)(wanted, count, milliseconds);
}
COVER(POLLING, int, __poll_chk, struct pollfd *wanted, nfds_t count, int milliseconds, size_t room) {
  if (room / sizeof *wanted < count || !interpose_gate(POLLING)) return NEXT(__poll_chk)(wanted, count, milliseconds, room);
  return poll(wanted, count, milliseconds);
}
COVER(POLLING, int, __ppoll_chk, struct pollfd *wanted, nfds_t count, const struct timespec *limit, const sigset_t *mask, size_t room) {
  if (room / sizeof *wanted < count || !interpose_gate(POLLING)) return NEXT(__ppoll_chk)(wanted, count, limit, mask, room);
  return ppoll(wanted, count, limit, mask);
}

// MARK: select

COVER(POLLING, int, pselect, int count, fd_set *reading, fd_set *writing, fd_set *special, const struct timespec *limit, const sigset_t *mask);

// The sets may be larger than fd_set says: select(2) looks at `count` bits only.
typedef struct {
  int count;
  size_t size;
  unsigned long *given[3], *kept[3];
  unsigned long few[3 * 16];  // room for as many as fd_set has
} sets;

static bool keep_sets(sets *sets, int count, fd_set *reading, fd_set *writing, fd_set *special) {
  size_t bits = 8 * sizeof(unsigned long), words = ((size_t)count + bits - 1) / bits;
  sets->count = count;
  sets->size = words * sizeof(unsigned long);
  fd_set *all[3] = {reading, writing, special};
  unsigned long *copies = words <= 16 ? sets->few : malloc(3 * sets->size);
  if (!copies) return false;
  for (int i = 0; i < 3; i++) {
    sets->given[i] = (unsigned long *)all[i];
    sets->kept[i] = copies + (size_t)i * words;
    if (all[i]) memcpy(sets->kept[i], all[i], sets->size);
  }
  return true;
}

static void restore_sets(sets *sets) {
  for (int i = 0; i < 3; i++)
    if (sets->given[i]) memcpy(sets->given[i], sets->kept[i], sets->size);
}

static bool has_member(const sets *sets, int set, int descriptor) {
  int bits = 8 * sizeof(unsigned long);
  return sets->given[set] && (sets->kept[set][descriptor / bits] >> (descriptor % bits) & 1);
}

static struct pollfd *list_of(const sets *sets, nfds_t *count) {
  static const short events[3] = {POLLIN, POLLOUT, POLLPRI};
  struct pollfd *list = malloc((size_t)(sets->count + 1) * sizeof *list);
  if (!list) return NULL;
  *count = 0;
  for (int descriptor = 0; descriptor < sets->count; descriptor++) {
    short wanted = 0;
    for (int set = 0; set < 3; set++)
      if (has_member(sets, set, descriptor)) wanted |= events[set];
    if (wanted) list[(*count)++] = (struct pollfd){.fd = descriptor, .events = wanted};
  }
  return list;
}

/// pselect after its arguments have been found to be right. Answers what is left of the limit too.
static __attribute__((noinline)) int select_on(
    const void *stack, int count, fd_set *reading, fd_set *writing, fd_set *special, uint64_t deadline,
    const sigset_t *mask) {
  sets sets;
  nfds_t length = 0;
  if (!keep_sets(&sets, count, reading, writing, special)) return errno = ENOMEM, -1;
  int result = NEXT(pselect)(count, reading, writing, special, &at_once, mask);
  struct pollfd *list = result == 0 ? list_of(&sets, &length) : NULL;
  int signals = result == 0 ? signals_let_through(mask) : -1;
  if (result == 0 && !list) result = (errno = ENOMEM, -1);
  while (result == 0) {
    int outcome = wait_for_any(stack, list, length, deadline, signals, NULL);
    if (outcome == SWIFTLET_FOREIGN_CANCELLED || outcome == SWIFTLET_FOREIGN_INTERRUPTED) {
      errno = interpose_errno(outcome);
      result = -1;
      break;
    }
    restore_sets(&sets);
    if (outcome == SWIFTLET_FOREIGN_REFUSED) {
      uint64_t now = interpose_now(), left = deadline > now ? deadline - now : 0;
      struct timespec limit = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
      result = NEXT(pselect)(count, reading, writing, special, deadline == UINT64_MAX ? NULL : &limit, mask);
      break;
    }
    result = NEXT(pselect)(count, reading, writing, special, &at_once, mask);
    if (outcome == SWIFTLET_FOREIGN_TIMED_OUT) break;
  }
  int reason = errno;
  // A call that fails leaves the sets alone (select(2)).
  if (result < 0) restore_sets(&sets);
  if (signals >= 0) syscall(SYS_close, signals);
  free(list);
  if (sets.kept[0] != sets.few) free(sets.kept[0]);
  errno = reason;
  return result;
}

COVER(POLLING, int, select, int count, fd_set *reading, fd_set *writing, fd_set *special, struct timeval *limit) {
  const void *stack = interpose_gate(POLLING);
  bool is_valid = count >= 0 && (!limit || (limit->tv_sec >= 0 && limit->tv_usec >= 0));
  if (!stack || !is_valid || (limit && limit->tv_sec == 0 && limit->tv_usec == 0))
    return NEXT(select)(count, reading, writing, special, limit);
  struct timespec length = {0};
  if (limit) length = (struct timespec){limit->tv_sec + limit->tv_usec / 1000000, limit->tv_usec % 1000000 * 1000};
  uint64_t deadline = limit ? interpose_after(interpose_nanoseconds(&length)) : UINT64_MAX;
  int result = select_on(stack, count, reading, writing, special, deadline, NULL);
  if (limit) {
    // Linux tells how much was left.
    uint64_t now = interpose_now(), left = deadline > now ? deadline - now : 0;
    *limit = (struct timeval){(time_t)(left / 1000000000u), (suseconds_t)(left % 1000000000u / 1000u)};
  }
  return result;
}

int pselect(int count, fd_set *reading, fd_set *writing, fd_set *special, const struct timespec *limit, const sigset_t *mask) {
  const void *stack = interpose_gate(POLLING);
  if (!stack || count < 0 || (limit && (!interpose_is_valid(limit) || interpose_nanoseconds(limit) == 0)))
    return NEXT(pselect)(count, reading, writing, special, limit, mask);
  uint64_t deadline = limit ? interpose_after(interpose_nanoseconds(limit)) : UINT64_MAX;
  return select_on(stack, count, reading, writing, special, deadline, mask);
}

COVER(POLLING, int, __select, int count, fd_set *reading, fd_set *writing, fd_set *special, struct timeval *limit) {
  return interpose_gate(POLLING) ? select(count, reading, writing, special, limit)
                                 : NEXT(__select)(count, reading, writing, special, limit);
}

// MARK: epoll

COVER(POLLING, int, epoll_pwait, int poller, struct epoll_event *events, int capacity, int milliseconds, const sigset_t *mask);
COVER(POLLING, int, epoll_pwait2, int poller, struct epoll_event *events, int capacity, const struct timespec *limit, const sigset_t *mask);

static int epoll_on(
    const void *stack, int poller, struct epoll_event *events, int capacity, uint64_t deadline, const sigset_t *mask) {
  int result = NEXT(epoll_pwait)(poller, events, capacity, 0, mask);
  struct pollfd wanted = {.fd = poller, .events = POLLIN};
  int signals = result == 0 ? signals_let_through(mask) : -1;
  while (result == 0) {
    int outcome = wait_for_any(stack, &wanted, 1, deadline, signals, NULL);
    if (outcome == SWIFTLET_FOREIGN_REFUSED) {
      uint64_t now = interpose_now(), left = deadline > now ? (deadline - now + 999999) / 1000000 : 0;
      result = NEXT(epoll_pwait)(poller, events, capacity, deadline == UINT64_MAX ? -1 : (int)left, mask);
      break;
    }
    if (outcome != SWIFTLET_FOREIGN_READY && outcome != SWIFTLET_FOREIGN_TIMED_OUT) {
      errno = interpose_errno(outcome);
      result = -1;
      break;
    }
    result = NEXT(epoll_pwait)(poller, events, capacity, 0, mask);
    if (outcome == SWIFTLET_FOREIGN_TIMED_OUT) break;
  }
  if (signals >= 0) {
    int reason = errno;
    syscall(SYS_close, signals);
    errno = reason;
  }
  return result;
}

int epoll_pwait(int poller, struct epoll_event *events, int capacity, int milliseconds, const sigset_t *mask) {
  const void *stack = milliseconds == 0 ? NULL : interpose_gate(POLLING);
  if (!stack) return NEXT(epoll_pwait)(poller, events, capacity, milliseconds, mask);
  uint64_t deadline = milliseconds < 0 ? UINT64_MAX : interpose_after((uint64_t)milliseconds * 1000000u);
  return epoll_on(stack, poller, events, capacity, deadline, mask);
}

COVER(POLLING, int, epoll_wait, int poller, struct epoll_event *events, int capacity, int milliseconds) {
  if (milliseconds == 0 || !interpose_gate(POLLING)) return NEXT(epoll_wait)(poller, events, capacity, milliseconds);
  return epoll_pwait(poller, events, capacity, milliseconds, NULL);
}

int epoll_pwait2(
    int poller, struct epoll_event *events, int capacity, const struct timespec *limit, const sigset_t *mask) {
  const void *stack = interpose_gate(POLLING);
  if (!stack || (limit && (!interpose_is_valid(limit) || interpose_nanoseconds(limit) == 0)))
    return NEXT(epoll_pwait2)(poller, events, capacity, limit, mask);
  uint64_t deadline = limit ? interpose_after(interpose_nanoseconds(limit)) : UINT64_MAX;
  return epoll_on(stack, poller, events, capacity, deadline, mask);
}
