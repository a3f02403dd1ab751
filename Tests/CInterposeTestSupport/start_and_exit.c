// Covered calls before the first constructor has run, and in a handler of `exit`.
#define _GNU_SOURCE
#include "CInterposeTestSupport.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/// Calls of several families, some of which wait. Answers the first that did not do what libc's own does; NULL: all did.
static const char *call_each(void) {
  char byte = 'x';
  int ends[2];
  sem_t semaphore;
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  if (pipe(ends) != 0) return "pipe";
  if (write(ends[1], &byte, 1) != 1) return "write";
  if (read(ends[0], &byte, 1) != 1) return "read";
  struct pollfd wanted = {.fd = ends[0], .events = POLLIN};
  double begin = milliseconds();
  if (poll(&wanted, 1, 3) != 0 || milliseconds() - begin < 3) return "poll";
  begin = milliseconds();
  if (usleep(3000) != 0 || milliseconds() - begin < 3) return "usleep";
  if (recv(ends[0], &byte, 1, 0) != -1 || errno != ENOTSOCK) return "recv";
  sem_init(&semaphore, 0, 0);
  struct timespec soon;
  clock_gettime(CLOCK_REALTIME, &soon);
  if (sem_timedwait(&semaphore, &soon) != -1 || errno != ETIMEDOUT) return "sem_timedwait";
  sem_destroy(&semaphore);
  if (pthread_mutex_lock(&mutex) != 0 || pthread_mutex_unlock(&mutex) != 0) return "pthread_mutex_lock";
  if (close(ends[0]) != 0 || close(ends[1]) != 0 || close(ends[0]) != -1 || errno != EBADF) return "close";
  return NULL;
}

// MARK: Before start-up

static const char *failed_early = "nothing was called";
static bool was_called;

static void call_early(void) {
  failed_early = call_each();
  was_called = true;
}

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
// The sanitizers begin there too.
__attribute__((constructor(102))) static void begin(void) { call_early(); }
#else
// Before all constructors, those of libraries too.
__attribute__((section(".preinit_array"), used)) static void (*const begin)(void) = call_early;
#endif

const char *what_failed_before_start_up(void) { return was_called ? failed_early : "nothing was called"; }

// MARK: During exit

static int from_parent;
static const volatile int *progress;

static void call_late(void) {
  int before = *progress;
  char byte = 0;
  // Whatever else is on the stack: the calls block, and no other fiber goes on.
  bool is_right = call_each() == NULL && read(from_parent, &byte, 1) == 1 && byte == 'p' && *progress == before;
  _exit(is_right ? 42 : 43);
}

void exit_with_calls(int reading, const int *other_progress) {
  from_parent = reading;
  progress = other_progress;
  atexit(call_late);
  exit(7);
}
