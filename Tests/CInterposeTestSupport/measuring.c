// Calls that need not wait: what each costs by its name, which is covered, and by libc's own function. Whatever has to be there
// for it is made by system calls beforehand, the same for both.
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
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
  int stream[2], datagram[2], ends[2], others[2], event, file, listener, unconnected, bound, poller;
  struct sockaddr_in address;
  struct sockaddr_un local;
  socklen_t local_size;
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
  things.listener = socket(AF_UNIX, SOCK_STREAM, 0);
  things.unconnected = socket(AF_INET, SOCK_DGRAM, 0);
  things.bound = socket(AF_INET, SOCK_DGRAM, 0);
  things.poller = epoll_create1(0);
  struct epoll_event wanted = {.events = EPOLLOUT};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, things.stream) != 0 || pipe(things.ends) != 0 || pipe(things.others) != 0 ||
      socketpair(AF_UNIX, SOCK_DGRAM, 0, things.datagram) != 0 ||
      write(things.file, things.bytes, sizeof things.bytes) < 0 ||
      bind(things.listener, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, sizeof(sa_family_t)) != 0 ||
      listen(things.listener, 16) != 0 || bind(things.bound, (struct sockaddr *)&things.address, size) != 0 ||
      epoll_ctl(things.poller, EPOLL_CTL_ADD, things.ends[1], &wanted) != 0)
    abort();
  getsockname(things.bound, (struct sockaddr *)&things.address, &size);
  things.local_size = sizeof things.local;
  getsockname(things.listener, (struct sockaddr *)&things.local, &things.local_size);
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
static int make_client(void) { return (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }
static void come(void) {
  int client = make_client();
  syscall(SYS_connect, client, &things.local, things.local_size);
  syscall(SYS_close, client);
}
static void meet(int client) {
  syscall(SYS_close, client);
  syscall(SYS_close, syscall(SYS_accept, things.listener, NULL, NULL));
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
  /// So many calls, each with what makes it ready; answers how long they took.
  double (*run)(bool directly, int calls);
} measured;

// `it` is the function, by its name or libc's own.
#define MEASURED(label, function, before, ...)              \
  static double run_##label(bool directly, int calls) {     \
    static __typeof__(&function) own;                       \
    if (!own) *(void **)&own = libc_function(#function);    \
    __typeof__(&function) it = directly ? own : &function;  \
    double begin = nanoseconds();                           \
    for (int i = 0; i < calls; i++) {                       \
      before;                                               \
      __VA_ARGS__;                                          \
    }                                                       \
    return nanoseconds() - begin;                           \
  }
#include "measured_calls.h"
#undef MEASURED

#define MEASURED(label, function, before, ...) {#label, run_##label},
static const measured all[] = {
#include "measured_calls.h"
};

size_t measured_count(void) { return sizeof all / sizeof *all; }
const char *measured_name(size_t index) { return all[index].name; }

// In turns, and of each the best: whatever else runs on the machine only adds. Many calls to a look at the clock, whose ticks are
// coarse; few, so that some of the runs are not disturbed.
void measure(size_t index, int repetitions, double *named, double *direct) {
  enum { CALLS = 40 };
  make_things();
  *named = *direct = 1e30;
  for (int i = 0; i < repetitions + 4; i++) {
    double by_name = all[index].run(false, CALLS) / CALLS, directly = all[index].run(true, CALLS) / CALLS;
    if (i < 4) continue;  // to warm up
    if (by_name < *named) *named = by_name;
    if (directly < *direct) *direct = directly;
  }
}
