#define _GNU_SOURCE
#include "CInterposeTestSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern ssize_t __read_chk(int, void *, size_t, size_t);
extern ssize_t __recv_chk(int, void *, size_t, size_t, int);
extern ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
extern int __poll_chk(struct pollfd *, nfds_t, int, size_t);
extern int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
extern ssize_t __pread_chk(int, void *, size_t, off_t, size_t);
extern ssize_t __read(int, void *, size_t);
extern ssize_t __write(int, const void *, size_t);
extern int __nanosleep(const struct timespec *, struct timespec *);
extern int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
extern int __close(int);

ssize_t call_read_chk(int descriptor, void *buffer, size_t size, size_t room) {
  return __read_chk(descriptor, buffer, size, room);
}
ssize_t call_recv_chk(int descriptor, void *buffer, size_t size, size_t room, int flags) {
  return __recv_chk(descriptor, buffer, size, room, flags);
}
ssize_t call_recvfrom_chk(int descriptor, void *buffer, size_t size, size_t room, int flags) {
  return __recvfrom_chk(descriptor, buffer, size, room, flags, NULL, NULL);
}
int call_poll_chk(struct pollfd *wanted, nfds_t count, int milliseconds, size_t room) {
  return __poll_chk(wanted, count, milliseconds, room);
}
int call_ppoll_chk(struct pollfd *wanted, nfds_t count, const struct timespec *limit, size_t room) {
  return __ppoll_chk(wanted, count, limit, NULL, room);
}
ssize_t call_pread_chk(int descriptor, void *buffer, size_t size, off_t offset, size_t room) {
  return __pread_chk(descriptor, buffer, size, offset, room);
}
ssize_t call_alias_read(int descriptor, void *buffer, size_t size) { return __read(descriptor, buffer, size); }
ssize_t call_alias_write(int descriptor, const void *buffer, size_t size) { return __write(descriptor, buffer, size); }
int call_alias_nanosleep(const struct timespec *wanted, struct timespec *left) { return __nanosleep(wanted, left); }
int call_alias_select_none(long milliseconds) {
  struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
  return __select(0, NULL, NULL, NULL, &limit);
}
int call_alias_close(int descriptor) { return __close(descriptor); }

int call_eventfd(void) { return eventfd(0, 0); }
ssize_t call_splice(int from, int to, size_t size) { return splice(from, NULL, to, NULL, size, 0); }
int call_close_range(int number) { return close_range((unsigned)number, (unsigned)number, 0); }
int call_dup3(int descriptor, int number) { return dup3(descriptor, number, 0); }
int call_accept4(int listener, int flags) { return accept4(listener, NULL, NULL, flags); }
int call_ppoll(struct pollfd *wanted, nfds_t count, const struct timespec *limit, const sigset_t *mask) {
  return ppoll(wanted, count, limit, mask);
}

int call_epoll_create(int descriptor, int number) {
  int poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = number};
  epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
  return poller;
}

int call_epoll_wait(int kind, int poller, int capacity, int milliseconds, int *number) {
  struct epoll_event events[4];
  struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  int count = kind == 0   ? epoll_wait(poller, events, capacity, milliseconds)
              : kind == 1 ? epoll_pwait(poller, events, capacity, milliseconds, NULL)
                          : epoll_pwait2(poller, events, capacity, milliseconds < 0 ? NULL : &limit, NULL);
  *number = count > 0 ? events[0].data.fd : 0;
  return count;
}

int call_select(int reading, int writing, long milliseconds, unsigned *ready, long *left_milliseconds) {
  fd_set readers, writers;
  FD_ZERO(&readers);
  FD_ZERO(&writers);
  if (reading >= 0) FD_SET(reading, &readers);
  if (writing >= 0) FD_SET(writing, &writers);
  struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
  int count = select((reading > writing ? reading : writing) + 1, &readers, &writers, NULL, milliseconds < 0 ? NULL : &limit);
  *ready = (reading >= 0 && FD_ISSET(reading, &readers)) | (writing >= 0 && FD_ISSET(writing, &writers)) << 1;
  *left_milliseconds = limit.tv_sec * 1000 + limit.tv_usec / 1000;
  return count;
}

int call_pselect(int reading, int writing, long milliseconds, unsigned *ready) {
  fd_set readers, writers;
  FD_ZERO(&readers);
  FD_ZERO(&writers);
  if (reading >= 0) FD_SET(reading, &readers);
  if (writing >= 0) FD_SET(writing, &writers);
  struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  int count = pselect(
      (reading > writing ? reading : writing) + 1, &readers, &writers, NULL, milliseconds < 0 ? NULL : &limit, NULL);
  *ready = (reading >= 0 && FD_ISSET(reading, &readers)) | (writing >= 0 && FD_ISSET(writing, &writers)) << 1;
  return count;
}

int call_lock(int descriptor, int command, int type) {
  struct flock wanted = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
  return fcntl(descriptor, command, &wanted);
}
int call_flags(int descriptor) { return fcntl(descriptor, F_GETFL); }
int call_set_flags(int descriptor, int flags) { return fcntl(descriptor, F_SETFL, flags); }
int call_set_limit(int descriptor, int option, long milliseconds) {
  struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
  return setsockopt(descriptor, SOL_SOCKET, option, &limit, sizeof limit);
}

ssize_t call_recvmmsg(int descriptor, unsigned count, int flags, long milliseconds, unsigned *total) {
  char buffers[8][64];
  struct iovec parts[8];
  struct mmsghdr messages[8];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < 8; i++) {
    parts[i] = (struct iovec){buffers[i], sizeof buffers[i]};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  int got = recvmmsg(descriptor, messages, count, flags, milliseconds < 0 ? NULL : &limit);
  *total = 0;
  for (int i = 0; i < got; i++) *total += messages[i].msg_len;
  return got;
}

int call_sendmmsg(int descriptor, unsigned count, size_t size) {
  struct iovec part = {calloc(1, size), size};
  struct mmsghdr messages[8];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < 8; i++) {
    messages[i].msg_hdr.msg_iov = &part;
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  int sent = sendmmsg(descriptor, messages, count, MSG_NOSIGNAL), reason = errno;
  for (int i = 0; i < sent; i++)
    if (messages[i].msg_len != size) sent = -2;
  free(part.iov_base);
  errno = reason;
  return sent;
}

// MARK: Signals

static atomic_int counted;  // the handler may run on any thread
static volatile sig_atomic_t handler_pause;
static volatile long slept;

static void count_one(int signal) {
  (void)signal;
  counted++;
}

void install_counting_handler(int signal, bool restarts) {
  struct sigaction action = {.sa_handler = count_one, .sa_flags = restarts ? SA_RESTART : 0};
  counted = 0;
  sigaction(signal, &action, NULL);
}
int counted_signals(void) { return counted; }

void admit_signals(void) {
  sigset_t admitted;
  sigemptyset(&admitted);
  sigaddset(&admitted, SIGUSR1);
  sigaddset(&admitted, SIGUSR2);
  sigaddset(&admitted, SIGCHLD);
  pthread_sigmask(SIG_UNBLOCK, &admitted, NULL);
}

static void sleep_inside(int signal) {
  (void)signal;
  struct timespec before, after, wanted = {0, (long)handler_pause * 1000000};
  int saved = errno;
  clock_gettime(CLOCK_MONOTONIC, &before);
  nanosleep(&wanted, NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  slept = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
  errno = saved;
}

void install_sleeping_handler(int signal, long milliseconds) {
  struct sigaction action = {.sa_handler = sleep_inside, .sa_flags = SA_RESTART};
  handler_pause = (sig_atomic_t)milliseconds;
  slept = 0;
  sigaction(signal, &action, NULL);
}
long slept_in_handler(void) { return slept; }
int signal_this_thread(int signal) { return pthread_kill(pthread_self(), signal); }
int thread_number(void) { return (int)syscall(SYS_gettid); }
int signal_thread(int thread, int signal) { return (int)syscall(SYS_tgkill, getpid(), thread, signal); }

pid_t run_in_child(int (*body)(void *), void *argument) {
  pid_t child = fork();
  if (child == 0) _exit(body(argument));
  return child;
}

static int forks;
static void count_fork(void) { forks++; }
void count_forks(void) {
  static bool is_registered;
  if (!is_registered) pthread_atfork(NULL, NULL, count_fork);
  is_registered = true;
  forks = 0;
}
int counted_forks(void) { return forks; }
void close_everything(void) { closefrom(3); }

void *make_mutex(int kind) {
  pthread_mutex_t *mutex = malloc(sizeof *mutex);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, kind);
  pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return mutex;
}
void free_mutex(void *mutex) {
  pthread_mutex_destroy(mutex);
  free(mutex);
}

// MARK: Threads

typedef struct {
  int count;
  volatile bool stops;
  long rounds, failures;
  pthread_mutex_t lock;
  long guarded;  // plain: only the lock keeps threads from counting at once
  pthread_t threads[64];
} hammer;

static void *swing(void *argument) {
  hammer *of = argument;
  int pair[2], ends[2];
  long rounds = 0, failures = 0;
  while (!__atomic_load_n(&of->stops, __ATOMIC_RELAXED)) {
    char buffer[8] = "abcdefg", got[8] = {0};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || pipe(ends) != 0) {
      failures++;
      break;
    }
    if (send(pair[0], buffer, 8, 0) != 8 || recv(pair[1], got, 8, 0) != 8 || memcmp(buffer, got, 8) != 0) failures++;
    if (write(ends[1], buffer, 8) != 8 || read(ends[0], got, 8) != 8) failures++;
    struct pollfd wanted = {.fd = pair[0], .events = POLLIN};
    if (poll(&wanted, 1, 0) != 0) failures++;
    call_set_limit(pair[0], SO_RCVTIMEO, 1);
    if (recv(pair[0], got, 1, 0) != -1 || errno != EAGAIN) failures++;
    pthread_mutex_lock(&of->lock);
    long before = of->guarded;
    usleep(10);
    of->guarded = before + 1;
    pthread_mutex_unlock(&of->lock);
    close(pair[0]);
    if (recv(pair[1], got, 1, 0) != 0) failures++;
    close(pair[1]);
    close(ends[0]);
    close(ends[1]);
    rounds++;
  }
  __atomic_fetch_add(&of->rounds, rounds, __ATOMIC_RELAXED);
  __atomic_fetch_add(&of->failures, failures, __ATOMIC_RELAXED);
  return NULL;
}

void *start_hammering(int threads) {
  hammer *made = calloc(1, sizeof *made);
  made->count = threads;
  pthread_mutex_init(&made->lock, NULL);
  for (int i = 0; i < threads; i++) pthread_create(&made->threads[i], NULL, swing, made);
  return made;
}

long stop_hammering(void *hammering, long *rounds) {
  hammer *of = hammering;
  __atomic_store_n(&of->stops, true, __ATOMIC_RELAXED);
  for (int i = 0; i < of->count; i++) pthread_join(of->threads[i], NULL);
  long failures = of->failures + (of->guarded != of->rounds);
  pthread_mutex_destroy(&of->lock);
  *rounds = of->rounds;
  free(of);
  return failures;
}
