#define _GNU_SOURCE
#include "swiftlet_kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int swiftlet_watchdog_naps;
__thread uint64_t swiftlet_simulated_now;

int swiftlet_poller_make(void) { return epoll_create1(EPOLL_CLOEXEC); }

int swiftlet_poller_watch(int poller, int descriptor, uint64_t tag, bool reads, bool writes, bool is_new) {
  struct epoll_event event = {.events = EPOLLET | (reads ? EPOLLIN | EPOLLRDHUP : 0) | (writes ? EPOLLOUT : 0), .data.u64 = tag};
  return epoll_ctl(poller, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event);
}

int swiftlet_poller_watch_level(int poller, int descriptor, uint64_t tag) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
  return epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
}

int swiftlet_poller_forget(int poller, int descriptor) {
  struct epoll_event unused = {0};
  return epoll_ctl(poller, EPOLL_CTL_DEL, descriptor, &unused);
}

int swiftlet_poller_wait(int poller, swiftlet_poll_event *events, int capacity, int64_t timeout) {
  enum { LARGEST = 512 };
  struct epoll_event raw[LARGEST];
  struct timespec wait = {timeout / 1000000000, timeout % 1000000000};
  if (capacity > LARGEST) capacity = LARGEST;
  // Nanoseconds need epoll_pwait2 (Linux 5.11); without it a millisecond more is waited rather than one less.
  static bool lacks_pwait2;
  int count = -1;
  if (timeout <= 0) {
    count = epoll_wait(poller, raw, capacity, timeout < 0 ? -1 : 0);
  } else {
    if (!lacks_pwait2) {
      count = epoll_pwait2(poller, raw, capacity, &wait, NULL);
      // Containers' filters answer EPERM for calls they do not know.
      if (count < 0 && (errno == ENOSYS || errno == EPERM)) lacks_pwait2 = true;
    }
    if (lacks_pwait2) {
      int64_t milliseconds = (timeout + 999999) / 1000000;
      count = epoll_wait(poller, raw, capacity, milliseconds > 1 << 30 ? 1 << 30 : (int)milliseconds);
    }
  }
  for (int i = 0; i < count; i++) {
    uint32_t got = raw[i].events;
    events[i].tag = raw[i].data.u64;
    events[i].told = (uint16_t)got;
    events[i].is_readable = got & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    events[i].has_ended = got & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    events[i].is_lost = got & (EPOLLHUP | EPOLLERR);
    events[i].is_writable = got & (EPOLLOUT | EPOLLHUP | EPOLLERR);
  }
  return count;
}

int swiftlet_wait_ready(int descriptor, bool for_writing, int64_t timeout) {
  struct pollfd wanted = {.fd = descriptor, .events = for_writing ? POLLOUT : POLLIN};
  uint64_t deadline = swiftlet_now() + (uint64_t)timeout;
  for (;;) {
    struct timespec wait = {timeout / 1000000000, timeout % 1000000000};
    int count = ppoll(&wanted, 1, timeout < 0 ? NULL : &wait, NULL);
    if (count >= 0) {
      if (count > 0 && (wanted.revents & POLLNVAL)) {
        errno = EBADF;
        return -1;
      }
      return count;
    }
    if (errno != EINTR) return -1;
    if (timeout >= 0) {
      uint64_t now = swiftlet_now();
      timeout = now >= deadline ? 0 : (int64_t)(deadline - now);
    }
  }
}

int swiftlet_thread_id(void) { return (int)syscall(SYS_gettid); }

int swiftlet_thread_count(void) {
  struct stat directory;
  // A directory's links: itself, its parent, and here one a thread.
  if (stat("/proc/self/task", &directory) != 0 || directory.st_nlink < 3) return 0;
  return (int)directory.st_nlink - 2;
}

bool swiftlet_other_threads_work(void) {
  DIR *threads = opendir("/proc/self/task");
  if (!threads) return false;
  int own = swiftlet_thread_id();
  bool works = false;
  for (struct dirent *entry; !works && (entry = readdir(threads));) {
    int id = atoi(entry->d_name);
    if (id == 0 || id == own) continue;
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    ssize_t count = read(file, line, sizeof line - 1);
    close(file);
    line[count > 0 ? count : 0] = 0;
    // proc(5): the state follows the name, which is in parentheses and may hold any.
    char *name = strrchr(line, ')');
    works = name && name[1] == ' ' && (name[2] == 'R' || name[2] == 'D');
  }
  closedir(threads);
  return works;
}

bool swiftlet_catches_signals(void) {
  static const int signals[] = {SIGHUP,  SIGINT,  SIGUSR1, SIGUSR2, SIGALRM,   SIGTERM, SIGCHLD,
                                SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGIO};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    struct sigaction action;
    if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
      return true;
  }
  return false;
}

int swiftlet_signal_thread(int kernel_id, int signal) {
  return (int)syscall(SYS_tgkill, getpid(), kernel_id, signal);
}

void swiftlet_thread_name(const char *name) {
  char shortened[16];  // a longer one would be refused (pthread_setname_np(3))
  strncpy(shortened, name, sizeof shortened - 1);
  shortened[sizeof shortened - 1] = 0;
  pthread_setname_np(pthread_self(), shortened);
}

void swiftlet_thread_get_name(char *name, size_t capacity) {
  if (pthread_getname_np(pthread_self(), name, capacity) != 0) name[0] = 0;
}

size_t swiftlet_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return (size_t)limit.rlim_cur;
}

int swiftlet_errno(void) { return errno; }
void swiftlet_set_errno(int value) { errno = value; }
int swiftlet_process_id(void) { return (int)getpid(); }

int swiftlet_available_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void swiftlet_keep_heap(void) {
  if (getenv("MALLOC_TRIM_THRESHOLD_") || getenv("MALLOC_TOP_PAD_") || getenv("GLIBC_TUNABLES")) return;
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  mallopt(M_MMAP_THRESHOLD, 4 << 20);  // setting any of these ends glibc's own adjusting of this one
}

size_t swiftlet_heap_in_use(void) {
  struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

const void *swiftlet_find(const void *bytes, size_t size, const void *wanted, size_t wanted_size) {
  return memmem(bytes, size, wanted, wanted_size);
}

// Where the kernel does not help (before 5.6, or behind a container's filter): step by step, through no symbolic link.
static int open_stepwise(int directory, const char *path, int flags) {
  int current = directory;
  while (true) {
    size_t length = strcspn(path, "/");
    const char *rest = path + length + strspn(path + length, "/");
    char name[NAME_MAX + 1];
    if (length > NAME_MAX) length = NAME_MAX + 1;  // too long a name is refused below
    if (length == 0 || length > NAME_MAX || (length == 2 && path[0] == '.' && path[1] == '.')) {
      if (current != directory) close(current);
      errno = ENOENT;
      return -1;
    }
    memcpy(name, path, length);
    name[length] = 0;
    bool is_last = *rest == 0;
    int next = openat(current, name, O_NOFOLLOW | O_CLOEXEC | (is_last ? flags : O_PATH | O_DIRECTORY));
    int reason = errno;
    if (current != directory) close(current);
    if (next < 0 || is_last) {
      errno = reason;
      return next;
    }
    current = next;
    path = rest;
  }
}

int swiftlet_open_beneath(const char *directory, const char *path) {
  // A named pipe must not stop the thread until somebody writes to it.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return -1;
  struct open_how how = {.flags = (uint64_t)flags, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  int number = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
  if (number < 0 && (errno == ENOSYS || errno == EPERM)) number = open_stepwise(root, path, flags);
  int reason = errno;
  close(root);
  errno = reason;
  return number;
}
