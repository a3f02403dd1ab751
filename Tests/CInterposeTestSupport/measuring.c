// Calls that need not wait: what each costs by its name, which is covered, and by libc's own function. Whatever has to be there
// for it is made by system calls beforehand, and is not measured.
#define _GNU_SOURCE
#include "CInterposeTestSupport.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
  int stream[2], datagram[2], ends[2], event, file, listener, unconnected, poller;
  struct sockaddr_in address;
  sem_t semaphore;
  pthread_mutex_t mutex;
  char bytes[64];
  struct iovec vector;
  struct mmsghdr message;
} things = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void make_things(void) {
  static bool is_made;
  if (is_made) return;
  is_made = true;
  char path[] = "/tmp/swiftlet-test-XXXXXX";
  socklen_t size = sizeof things.address;
  things.vector = (struct iovec){things.bytes, 1};
  things.message = (struct mmsghdr){.msg_hdr = {.msg_iov = &things.vector, .msg_iovlen = 1}};
  things.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  things.event = eventfd(0, 0);
  things.file = mkstemp(path);
  unlink(path);
  things.listener = socket(AF_INET, SOCK_STREAM, 0);
  things.unconnected = socket(AF_INET, SOCK_DGRAM, 0);
  things.poller = epoll_create1(0);
  struct epoll_event wanted = {.events = EPOLLOUT};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, things.stream) != 0 || pipe(things.ends) != 0 ||
      socketpair(AF_UNIX, SOCK_DGRAM, 0, things.datagram) != 0 ||
      write(things.file, things.bytes, sizeof things.bytes) < 0 ||
      bind(things.listener, (struct sockaddr *)&things.address, size) != 0 || listen(things.listener, 16) != 0 ||
      epoll_ctl(things.poller, EPOLL_CTL_ADD, things.ends[1], &wanted) != 0)
    abort();
  getsockname(things.listener, (struct sockaddr *)&things.address, &size);
  sem_init(&things.semaphore, 0, 0);
}

static void put(int descriptor) { syscall(SYS_write, descriptor, things.bytes, 1); }
static void take(int descriptor) {
  struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
  if (syscall(SYS_ppoll, &wanted, 1, &(struct timespec){0, 0}, NULL, 8) > 0)
    syscall(SYS_read, descriptor, things.bytes, 8);
}
static struct pollfd side(int descriptor, short events) { return (struct pollfd){.fd = descriptor, .events = events}; }
static void rewind_file(void) { lseek(things.file, 0, SEEK_SET); }
static void come(void) {
  long client = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
  syscall(SYS_connect, client, &things.address, sizeof things.address);
  syscall(SYS_close, client);
}

// libc's own, past the names.
static void *libc_function(const char *name) {
  static void *libc;
  if (!libc) libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  return dlsym(libc, name);
}

static double nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

typedef struct {
  const char *name;
  /// One call; answers how long it took.
  double (*run)(bool directly);
} measured;

// `it` is the function, by its name or libc's own.
#define MEASURED(label, function, before, ...)                           \
  static double run_##label(bool directly) {                             \
    static __typeof__(&function) own;                                    \
    if (!own) *(void **)&own = libc_function(#function);                 \
    __typeof__(&function) it = directly ? own : &function;               \
    before;                                                              \
    double begin = nanoseconds();                                        \
    __VA_ARGS__;                                                         \
    return nanoseconds() - begin;                                        \
  }
#include "measured_calls.h"
#undef MEASURED

#define MEASURED(label, function, before, ...) {#label, run_##label},
static const measured all[] = {
#include "measured_calls.h"
};

size_t measured_count(void) { return sizeof all / sizeof *all; }
const char *measured_name(size_t index) { return all[index].name; }

static int compare(const void *one, const void *other) {
  double difference = *(const double *)one - *(const double *)other;
  return difference < 0 ? -1 : difference > 0;
}

double measure(size_t index, bool directly, int rounds) {
  make_things();
  double *times = malloc((size_t)rounds * sizeof *times);
  for (int i = 0; i < 4; i++) all[index].run(directly);
  for (int i = 0; i < rounds; i++) times[i] = all[index].run(directly);
  qsort(times, (size_t)rounds, sizeof *times, compare);
  // The middle of the quicker half: whatever else runs on the machine only adds. The mean of many is finer than the clock.
  double total = 0;
  for (int i = rounds / 8; i < rounds * 3 / 8; i++) total += times[i];
  double result = total / (rounds * 3 / 8 - rounds / 8);
  free(times);
  return result;
}
