// One handler for all signals that are listened to. It writes to the listeners' eventfds, which is async-signal-safe,
// and calls the handler that was there before.
//
// Per signal: not installed -> installed -> not installed. The table is changed under the lock; the handler reads it by
// atomics only. A listener's descriptor is closed when no handler can still hold its number: see `running`.
#define _GNU_SOURCE
#include "swiftlet_signal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SIGNALS = 65, LISTENERS = 16 };

static struct {
  atomic_int listeners[LISTENERS];  // descriptor + 1; 0: free
  atomic_bool is_installed, is_once;
  struct sigaction earlier;
} table[SIGNALS];
static atomic_int running;  // handlers that may hold a descriptor's number
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int signal, siginfo_t *information, void *machine_context) {
  int saved_errno = errno;
  struct sigaction earlier = table[signal].earlier;
  atomic_fetch_add(&running, 1);
  for (int i = 0; i < LISTENERS; i++) {
    int descriptor = atomic_load(&table[signal].listeners[i]) - 1;
    uint64_t one = 1;
    if (descriptor >= 0 && write(descriptor, &one, sizeof one) < 0) continue;  // full: it is readable already
  }
  atomic_fetch_sub(&running, 1);
  bool expected = true;
  if (atomic_load(&table[signal].is_once) &&
      atomic_compare_exchange_strong(&table[signal].is_installed, &expected, false))
    sigaction(signal, &earlier, NULL);
  if (earlier.sa_flags & SA_SIGINFO) {
    if (earlier.sa_sigaction) earlier.sa_sigaction(signal, information, machine_context);
  } else if (earlier.sa_handler != SIG_DFL && earlier.sa_handler != SIG_IGN) {
    earlier.sa_handler(signal);
  }
  errno = saved_errno;
}

static int count_of(int signal) {
  int count = 0;
  for (int i = 0; i < LISTENERS; i++) count += atomic_load(&table[signal].listeners[i]) != 0;
  return count;
}

int swiftlet_signal_listen(int signal, bool once) {
  if (signal <= 0 || signal >= SIGNALS) {
    errno = EINVAL;
    return -1;
  }
  int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) return -1;
  pthread_mutex_lock(&lock);
  int slot = 0;
  while (slot < LISTENERS && atomic_load(&table[signal].listeners[slot]) != 0) slot++;
  int reason = slot == LISTENERS ? EMFILE : 0;
  if (!reason) {
    // Not `once` beside others: they want the later signals too.
    atomic_store(&table[signal].is_once, once && count_of(signal) == 0);
    atomic_store(&table[signal].listeners[slot], descriptor + 1);
    if (!atomic_load(&table[signal].is_installed)) {
      struct sigaction action = {0};
      action.sa_sigaction = on_signal;
      action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
      if (sigaction(signal, NULL, &table[signal].earlier) != 0 || sigaction(signal, &action, NULL) != 0) {
        reason = errno;
        atomic_store(&table[signal].listeners[slot], 0);
      } else {
        atomic_store(&table[signal].is_installed, true);
      }
    }
  }
  pthread_mutex_unlock(&lock);
  if (!reason) return descriptor;
  close(descriptor);
  errno = reason;
  return -1;
}

int swiftlet_signal_any_of(const int *descriptors, int count) {
  int any = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; any >= 0 && i < count; i++) {
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(any, EPOLL_CTL_ADD, descriptors[i], &event) == 0) continue;
    int reason = errno;
    close(any);
    errno = reason;
    return -1;
  }
  return any;
}

unsigned long swiftlet_signal_forget(int signal, int descriptor) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < LISTENERS; i++)
    if (atomic_load(&table[signal].listeners[i]) == descriptor + 1) atomic_store(&table[signal].listeners[i], 0);
  bool expected = true;
  if (count_of(signal) == 0 && atomic_compare_exchange_strong(&table[signal].is_installed, &expected, false)) {
    struct sigaction present;
    if (sigaction(signal, NULL, &present) == 0 && (present.sa_flags & SA_SIGINFO) && present.sa_sigaction == on_signal)
      sigaction(signal, &table[signal].earlier, NULL);
  }
  pthread_mutex_unlock(&lock);
  while (atomic_load(&running) != 0) sched_yield();
  unsigned long left = swiftlet_signal_take(descriptor);
  close(descriptor);
  return left;
}

bool swiftlet_signal_is_default(int signal) {
  struct sigaction present;
  if (sigaction(signal, NULL, &present) != 0) return false;
  if (!(present.sa_flags & SA_SIGINFO)) return present.sa_handler == SIG_DFL;
  if (present.sa_sigaction != on_signal) return false;
  pthread_mutex_lock(&lock);
  struct sigaction *earlier = &table[signal].earlier;
  bool is_default = !(earlier->sa_flags & SA_SIGINFO) && earlier->sa_handler == SIG_DFL;
  pthread_mutex_unlock(&lock);
  return is_default;
}

unsigned long swiftlet_signal_take(int descriptor) {
  uint64_t count = 0;
  return read(descriptor, &count, sizeof count) == sizeof count ? (unsigned long)count : 0;
}
