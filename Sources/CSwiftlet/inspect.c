#define _GNU_SOURCE
#include "swiftlet_inspect.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

// In the library SwiftletInspect, for programs that are linked with it.
extern void swiftlet_inspect_begin(const char *way) __attribute__((weak));

int swiftlet_inspect_as_asked(void) {
  const char *way = getenv("SWIFTLET_INSPECT");
  if (!way || !*way || strcmp(way, "0") == 0) return 0;
  if (!swiftlet_inspect_begin) return 1;
  swiftlet_inspect_begin(way);
  return 0;
}

int swiftlet_inspect_event(void) { return eventfd(0, EFD_CLOEXEC); }

int swiftlet_inspect_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }

static atomic_int events[NSIG];

static void on_signal(int signal) {
  int saved = errno;
  uint64_t one = 1;
  (void)!write(atomic_load(&events[signal]), &one, sizeof one);
  errno = saved;
}

int swiftlet_inspect_signal_watch(int signal) {
  if (signal <= 0 || signal >= NSIG) return -1;
  int event = eventfd(0, EFD_CLOEXEC);
  if (event < 0) return -1;
  atomic_store(&events[signal], event);
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
  if (sigaction(signal, &action, NULL) != 0) {
    close(event);
    return -1;
  }
  return event;
}

static char file[256];
static int owner;

static void unlink_file(void) {
  if (file[0] && owner == getpid()) unlink(file);
}

void swiftlet_inspect_unlink_at_exit(const char *path) {
  static int is_registered;
  owner = getpid();
  strncpy(file, path, sizeof file - 1);
  if (!is_registered) atexit(unlink_file);
  is_registered = 1;
}
