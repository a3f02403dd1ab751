#define _GNU_SOURCE
#include "storm.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DEEPEST = 64, PERIOD = 1000000 };

static uint64_t signals;

static void take_backtrace(int signal) {
  (void)signal;
  int saved_errno = errno;
  void *addresses[DEEPEST];
  backtrace(addresses, DEEPEST);
  __atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED);
  errno = saved_errno;
}

// The processor traps after each instruction while this flag is set, on whatever stack it goes on: a switch keeps it.
enum { TRAP_FLAG = 0x100 };

bool storm_step(bool begins) {
#if defined(__x86_64__)
  uint64_t flags = __builtin_ia32_readeflags_u64();
  __builtin_ia32_writeeflags_u64(begins ? flags | TRAP_FLAG : flags & ~(uint64_t)TRAP_FLAG);
  return true;
#else
  (void)begins;
  return false;
#endif
}

static void install(void) {
  void *warm_up[DEEPEST];
  backtrace(warm_up, DEEPEST);  // loads the unwinder, which allocates: not for a signal handler
  // Without SA_ONSTACK: the handler runs on the stack it interrupts, so that the unwinder walks that one.
  struct sigaction action = {.sa_handler = take_backtrace, .sa_flags = SA_RESTART};
  sigaction(SIGPROF, &action, NULL);
  sigaction(SIGTRAP, &action, NULL);
}

void storm_install(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
}

bool storm_begin_on_this_thread(void) {
  // Timers of processor time, as setitimer's, are looked at only at the kernel's tick: mostly 250 times a second.
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  timer_t timer;
  struct itimerspec period = {.it_interval.tv_nsec = PERIOD, .it_value.tv_nsec = PERIOD};
  return timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &period, NULL) == 0;
}

uint64_t storm_signals(void) { return __atomic_load_n(&signals, __ATOMIC_RELAXED); }
