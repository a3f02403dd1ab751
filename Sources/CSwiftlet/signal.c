#define _GNU_SOURCE
#include "swiftlet_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { signal_count = 65 };

static int ends[2] = {-1, -1};
static struct sigaction earlier[signal_count];

static void note_signal(int signal) {
  int saved = errno;
  unsigned char number = (unsigned char)signal;
  // A full pipe holds thousands that have not been read: one more tells nothing new.
  ssize_t written = write(ends[1], &number, 1);
  (void)written;
  errno = saved;
}

int swiftlet_signal_open(void) {
  if (ends[0] >= 0) return 0;
  int made[2];
  if (pipe2(made, O_CLOEXEC) != 0) return -errno;
  // Only the writing end: the handler must never block, the reader always does.
  fcntl(made[1], F_SETFL, O_NONBLOCK);
  ends[1] = made[1];
  ends[0] = made[0];
  return 0;
}

int swiftlet_signal_watch(int signal) {
  if (signal <= 0 || signal >= signal_count) return -EINVAL;
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  return sigaction(signal, &action, &earlier[signal]) == 0 ? 0 : -errno;
}

void swiftlet_signal_unwatch(int signal) { sigaction(signal, &earlier[signal], NULL); }

int swiftlet_signal_next(void) {
  unsigned char number;
  for (;;) {
    ssize_t count = read(ends[0], &number, 1);
    if (count == 1) return number;
    if (count < 0 && errno != EINTR) return -errno;
  }
}
