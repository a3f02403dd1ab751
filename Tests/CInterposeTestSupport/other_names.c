// The covered calls that Swift has no name for, or that a C program makes more easily: each tells what it has answered.
#define _GNU_SOURCE
#include "CInterposeTestSupport.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

extern ssize_t __recv(int, void *, size_t, int);
extern ssize_t __send(int, const void *, size_t, int);
extern int __sendmmsg(int, struct mmsghdr *, unsigned, int);
extern int __connect(int, const struct sockaddr *, socklen_t);
extern int __poll(struct pollfd *, nfds_t, int);
extern ssize_t __pread64(int, void *, size_t, off_t);
extern ssize_t __pread64_chk(int, void *, size_t, off_t, size_t);
extern int __dup2(int, int);
extern int __fcntl(int, int, ...);
extern pid_t __wait(int *);
extern pid_t __waitpid(pid_t, int *, int);
extern int __pthread_mutex_lock(pthread_mutex_t *);
extern int __pthread_mutex_unlock(pthread_mutex_t *);

static void tell(answers *answers, const char *call, long result) {
  int reason = errno;
  size_t used = strlen(answers->text);
  const char *end = strchr(call, '(');
  snprintf(answers->text + used, sizeof answers->text - used, "%.*s %ld %d\n", end ? (int)(end - call) : 40, call, result,
           result < 0 ? reason : 0);
}
/// What a call answers, and its errno if it fails.
#define TELL(call) ({ errno = 0; long its_result = (long)(call); tell(answers, #call, its_result); })

// MARK: A thread that does something every few milliseconds

typedef struct {
  void (*body)(const void *argument);
  const void *argument;
  int times;
  atomic_bool ends;
  pthread_t thread;
} helper;

static void *help(void *argument) {
  helper *helper = argument;
  watch_this_thread(true);
  for (int i = 0; i < helper->times && !helper->ends; i++) {
    usleep(6000);
    helper->body(helper->argument);
  }
  return NULL;
}
static void start_helper(helper *helper, void (*body)(const void *), const void *argument, int times) {
  helper->body = body;
  helper->argument = argument;
  helper->times = times;
  helper->ends = false;
  pthread_create(&helper->thread, NULL, help, helper);
}
static void end_helper(helper *helper) {
  helper->ends = true;
  pthread_join(helper->thread, NULL);
}

static void feed(const void *descriptor) {
  if (write(*(const int *)descriptor, "x", 1) != 1) abort();
}

static void count_up(const void *descriptor) { eventfd_write(*(const int *)descriptor, 3); }

static int make_file(const char *content) {
  char path[] = "/tmp/swiftlet-test-XXXXXX";
  int file = mkstemp(path);
  unlink(path);
  if (write(file, content, strlen(content)) < 0) abort();
  lseek(file, 0, SEEK_SET);
  return file;
}

// MARK: Streams and sockets

void tell_streams_and_sockets(answers *answers) {
  int pair[2], ends[2];
  char byte[8];
  struct iovec vector = {byte, 1};
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  if (pipe(ends) != 0) return;
  helper helper;
  start_helper(&helper, feed, &pair[1], 2);
  TELL(__recv(pair[0], byte, 1, 0));  // not both of the helper's, if they are there already
  struct pollfd wanted = {.fd = pair[0], .events = POLLIN};
  TELL(__poll(&wanted, 1, -1));
  end_helper(&helper);
  TELL(__send(pair[0], "ab", 2, 0));
  TELL(__sendmmsg(pair[0], &message, 1, 0));
  TELL(message.msg_len);
  start_helper(&helper, feed, &ends[1], 2);
  TELL(preadv2(ends[0], &vector, 1, -1, 0));
  TELL(preadv64v2(ends[0], &vector, 1, -1, 0));
  end_helper(&helper);
  TELL(pwritev2(ends[1], &vector, 1, -1, 0));
  TELL(pwritev64v2(ends[1], &vector, 1, -1, 0));
  TELL(pwritev2(ends[1], &vector, 1, 5, 0));
  TELL(preadv2(ends[1], &vector, 1, -1, 0));
  int event = eventfd(0, 0);
  uint64_t value = 0, five = 5;
  start_helper(&helper, count_up, &event, 1);
  TELL(eventfd_read(event, &value));
  end_helper(&helper);
  TELL(value);
  TELL(eventfd_write(event, 7));
  TELL(write(event, &five, sizeof five));
  TELL(eventfd_read(event, &value));
  TELL(value);
  TELL(eventfd_write(event, UINT64_MAX));
  TELL(eventfd_read(ends[1], &value));
  close(event);
  int file = make_file("content");
  off_t place = 3;
  TELL(sendfile64(pair[1], file, &place, 100));
  TELL(place);
  TELL(__recv(pair[0], byte, 8, 0));
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  bind(listener, (struct sockaddr *)&address, size);
  getsockname(listener, (struct sockaddr *)&address, &size);
  listen(listener, 4);
  TELL(__connect(client, (struct sockaddr *)&address, size));
  TELL(__connect(client, (struct sockaddr *)&address, size));
  close(pair[1]);
  TELL(__recv(pair[0], byte, 8, 0));
  TELL(__recv(pair[0], byte, 8, 0));
  TELL(__send(pair[0], "ab", 2, MSG_NOSIGNAL));
  int all[] = {pair[0], ends[0], ends[1], file, listener, client};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) close(all[i]);
}

// MARK: Files

void tell_files(answers *answers) {
  int file = make_file("0123456789");
  char bytes[8];
  struct iovec vectors[2] = {{bytes, 3}, {bytes + 3, 3}};
  TELL(pread64(file, bytes, 4, 3));
  TELL(bytes[0]);
  TELL(__pread64(file, bytes, 4, 8));
  TELL(__pread64(file, bytes, 4, -1));
  TELL(__pread64_chk(file, bytes, 4, 2, sizeof bytes));
  TELL(preadv(file, vectors, 2, 5));
  TELL(bytes[3]);
  TELL(preadv64(file, vectors, 2, 1));
  TELL(preadv64(file, vectors, -1, 1));
  TELL(preadv2(file, vectors, 2, 9, 0));
  TELL(preadv2(file, vectors, 2, -1, 0));
  TELL(preadv64v2(file, vectors, 2, -1, 0));
  TELL(pwritev2(file, vectors, 1, -1, 0));
  TELL(pwritev64v2(file, vectors, 1, 2, 0));
  TELL(lseek(file, 0, SEEK_CUR));
  close(file);
  TELL(pread64(file, bytes, 4, 3));
}

// MARK: What gives up numbers

static int close_many(void *argument) {
  int *ends = argument;
  closefrom(ends[0]);
  return fcntl(ends[0], F_GETFL) < 0 && fcntl(ends[1], F_GETFL) < 0 && errno == EBADF ? 6 : 7;
}
static int leave(void *argument) {
  (void)argument;
  // What the test's process has buffered is not this one's to write.
  dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
  dup2(STDOUT_FILENO, STDERR_FILENO);
  exit(11);
}

void tell_closing(answers *answers, bool exits) {
  int ends[2], status = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  int number = fcntl(ends[0], F_DUPFD, 300);
  TELL(__dup2(ends[1], number) == number);
  TELL(__dup2(-1, number));
  TELL(dup3(ends[1], number, O_CLOEXEC) == number);
  TELL(dup3(number, number, 0));
  TELL(close_range((unsigned)number, (unsigned)number, 0));
  TELL(close_range(2, 1, 0));
  TELL(fcntl(number, F_GETFL));
  FILE *file = fdopen(ends[1], "w");
  TELL(fclose(file));
  TELL(fcntl(ends[1], F_GETFL));
  file = popen("exit 5", "r");
  number = fileno(file);
  TELL(WEXITSTATUS(pclose(file)));
  TELL(fcntl(number, F_GETFL));
  file = fdopen(dup(ends[0]), "r");
  number = fileno(file);
  TELL(freopen("/dev/null", "r", file) == file);
  TELL(freopen64("/nowhere/file", "r", file) == NULL);
  TELL(fcntl(number, F_GETFL));
  fclose(file);  // glibc's frees the stream that freopen64 has closed in vain
  DIR *folder = opendir("/");
  TELL(closedir(folder));
  close(ends[0]);
  if (pipe(ends) != 0) return;
  if (ends[0] > ends[1]) ends[0] = ends[1];
  pid_t child = run_in_child(close_many, ends);
  TELL(waitpid(child, &status, 0) == child);
  TELL(WEXITSTATUS(status));
  if (exits) {
    child = run_in_child(leave, NULL);
    TELL(waitpid(child, &status, 0) == child);
    TELL(WIFEXITED(status) ? WEXITSTATUS(status) : -status);
  }
  close(ends[0]);
  close(ends[1]);
}

// MARK: Record locks

typedef struct {
  int file, held, release[2];
} locking;

static int hold_lock(void *argument) {
  locking *locking = argument;
  struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  int result = fcntl(locking->file, F_SETLK, &wanted);
  char byte;
  if (write(locking->held, "x", 1) != 1 || read(locking->release[0], &byte, 1) != 1) return 99;
  usleep(8000);
  return result == 0 ? 4 : 5;
}

static int lock_by(int kind, int file) {
  struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  switch (kind) {
    case 0: return lockf(file, F_LOCK, 1);
    case 1: return lockf64(file, F_LOCK, 1);
    case 2: return __fcntl(file, F_SETLKW, &wanted);
    default: return fcntl64(file, F_SETLKW, &wanted);
  }
}

void tell_record_locks(answers *answers) {
  int ends[2], status;
  char byte;
  if (pipe(ends) != 0) return;
  for (int kind = 0; kind < 4; kind++) {
    locking locking = {make_file("x"), ends[1], {0, 0}};
    if (pipe(locking.release) != 0) return;
    pid_t child = run_in_child(hold_lock, &locking);
    if (read(ends[0], &byte, 1) != 1) return;
    TELL(lockf(locking.file, F_TLOCK, 1));
    if (write(locking.release[1], "x", 1) != 1) return;
    TELL(lock_by(kind, locking.file));
    TELL(waitpid(child, &status, 0) == child);
    TELL(WEXITSTATUS(status));
    TELL(lock_by(kind, -1));
    close(locking.file);
    close(locking.release[0]);
    close(locking.release[1]);
  }
  TELL(lockf(ends[0], 77, 1));
  close(ends[0]);
  close(ends[1]);
}

// MARK: Children

static int end_soon(void *argument) {
  usleep(8000);
  return *(int *)argument;
}

void tell_any_child(answers *answers, bool has_no_other) {
  int number, status;
  struct rusage usage;
  pid_t child;
  number = 21, child = run_in_child(end_soon, &number);
  TELL(wait(&status) == child);
  TELL(WEXITSTATUS(status));
  number = 22, child = run_in_child(end_soon, &number);
  TELL(__wait(&status) == child);
  TELL(WEXITSTATUS(status));
  number = 23, child = run_in_child(end_soon, &number);
  TELL(wait3(&status, 0, &usage) == child);
  TELL(WEXITSTATUS(status));
  number = 24, child = run_in_child(end_soon, &number);
  TELL(wait4(-1, &status, 0, &usage) == child);
  TELL(WEXITSTATUS(status));
  number = 25, child = run_in_child(end_soon, &number);
  TELL(__waitpid(0, &status, 0) == child);
  TELL(WEXITSTATUS(status));
  if (!has_no_other) return;
  TELL(wait(&status));
  TELL(__wait(&status));
  TELL(wait3(&status, 0, &usage));
}

// MARK: Names

static long first_address(const struct hostent *entry) {
  return entry && entry->h_length == 4 ? (long)ntohl(*(uint32_t *)entry->h_addr_list[0]) : -1;
}

void tell_names(answers *answers) {
  struct hostent entry, *found = NULL;
  char buffer[2048];
  int error = 0;
  uint32_t local = htonl(INADDR_LOOPBACK);
  TELL(first_address(gethostbyname("localhost")));
  TELL(first_address(gethostbyname2("localhost", AF_INET)));
  TELL(first_address(gethostbyname2("127.0.0.2", AF_INET)));
  TELL(first_address(gethostbyaddr(&local, 4, AF_INET)));
  TELL(gethostbyname_r("localhost", &entry, buffer, sizeof buffer, &found, &error));
  TELL(first_address(found));
  TELL(gethostbyname_r("localhost", &entry, buffer, 4, &found, &error));
  TELL(gethostbyname2_r("localhost", AF_INET, &entry, buffer, sizeof buffer, &found, &error));
  TELL(first_address(found));
  TELL(gethostbyaddr_r(&local, 4, AF_INET, &entry, buffer, sizeof buffer, &found, &error));
  TELL(first_address(found));
  TELL(gethostbyname2("localhost", 77) == NULL);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
  TELL(getaddrinfo("127.0.0.3", NULL, &hints, &list));
  TELL(ntohl(((struct sockaddr_in *)list->ai_addr)->sin_addr.s_addr));
  freeaddrinfo(list);
  TELL(getaddrinfo("::1", "80", &hints, &list));
  TELL(list->ai_family);
  freeaddrinfo(list);
  hints.ai_flags = AI_CANONNAME;
  TELL(getaddrinfo("127.1", "http", &hints, &list));
  TELL(strcmp(list->ai_canonname, "127.1"));
  TELL(ntohs(((struct sockaddr_in *)list->ai_addr)->sin_port));
  freeaddrinfo(list);
  hints.ai_flags = 0x40000000;
  TELL(getaddrinfo("127.0.0.3", NULL, &hints, &list));
  hints.ai_flags = 0, hints.ai_family = AF_INET6;
  TELL(getaddrinfo("127.0.0.3", NULL, &hints, &list));
}

// MARK: Semaphores, sleeping

static void post(const void *semaphore) { sem_post((sem_t *)semaphore); }

static struct timespec from_now(clockid_t clock, long milliseconds) {
  struct timespec time;
  clock_gettime(clock, &time);
  time.tv_nsec += milliseconds * 1000000;
  time.tv_sec += time.tv_nsec / 1000000000;
  time.tv_nsec %= 1000000000;
  return time;
}

void tell_semaphores(answers *answers) {
  sem_t semaphore;
  helper helper;
  sem_init(&semaphore, 0, 1);
  struct timespec soon = from_now(CLOCK_MONOTONIC, 5), late = from_now(CLOCK_MONOTONIC, 30000), wrong = {0, -1};
  TELL(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &wrong));
  sem_trywait(&semaphore);
  TELL(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &soon));
  TELL(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &wrong));
  TELL(sem_clockwait(&semaphore, 77, &soon));
  start_helper(&helper, post, &semaphore, 1);
  TELL(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &late));
  end_helper(&helper);
  TELL(sem_trywait(&semaphore));
  sem_destroy(&semaphore);
}

static void interrupt(const void *thread) { signal_thread(*(const int *)thread, SIGUSR1); }

void tell_pause(answers *answers) {
  struct timespec short_time = {0, 5000000}, wrong = {0, -1}, left = {0};
  TELL(thrd_sleep(&short_time, &left));
  TELL(thrd_sleep(&wrong, NULL));
  helper helper;
  int thread = thread_number();
  install_counting_handler(SIGUSR1, true);
  admit_signals();
  // More than one: the first may come before the call has begun.
  start_helper(&helper, interrupt, &thread, 1000);
  TELL(pause());
  end_helper(&helper);
}

// MARK: Threads

typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  atomic_int count;
} meeting;

static void announce(const void *argument) {
  meeting *meeting = (void *)(uintptr_t)argument;
  pthread_mutex_lock(&meeting->mutex);
  meeting->count++;
  pthread_cond_broadcast(&meeting->condition);
  pthread_mutex_unlock(&meeting->mutex);
}

static void *hold_mutex(void *argument) {
  meeting *meeting = argument;
  watch_this_thread(true);
  pthread_mutex_lock(&meeting->mutex);
  meeting->count = 100;
  while (meeting->count == 100) usleep(500);
  usleep(8000);
  pthread_mutex_unlock(&meeting->mutex);
  return NULL;
}

void tell_threads(answers *answers) {
  meeting meeting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  helper helper;
  TELL(__pthread_mutex_lock(&meeting.mutex));
  start_helper(&helper, announce, &meeting, 2);
  struct timespec late = from_now(CLOCK_MONOTONIC, 30000);
  int result = 0;
  while (meeting.count < 1 && result == 0)
    result = pthread_cond_clockwait(&meeting.condition, &meeting.mutex, CLOCK_MONOTONIC, &late);
  TELL(result);
  while (meeting.count < 2) pthread_cond_wait(&meeting.condition, &meeting.mutex);
  struct timespec soon = from_now(CLOCK_MONOTONIC, 5);
  do result = pthread_cond_clockwait(&meeting.condition, &meeting.mutex, CLOCK_MONOTONIC, &soon);
  while (result == 0);
  TELL(result);
  TELL(pthread_cond_clockwait(&meeting.condition, &meeting.mutex, 77, &soon));
  TELL(__pthread_mutex_unlock(&meeting.mutex));
  end_helper(&helper);
  pthread_t thread;
  pthread_create(&thread, NULL, hold_mutex, &meeting);
  while (meeting.count < 100) usleep(100);
  soon = from_now(CLOCK_REALTIME, 2);
  late = from_now(CLOCK_REALTIME, 30000);
  TELL(pthread_mutex_timedlock(&meeting.mutex, &soon));
  meeting.count++;
  TELL(pthread_mutex_timedlock(&meeting.mutex, &late));
  TELL(pthread_mutex_unlock(&meeting.mutex));
  TELL(pthread_join(thread, NULL));
  pthread_cond_destroy(&meeting.condition);
  pthread_mutex_destroy(&meeting.mutex);
}
