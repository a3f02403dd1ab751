#define _GNU_SOURCE
#include "swiftlet_peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Behind a container's filter process_vm_readv may be refused; the file says the same, a range at a time.
static size_t read_by_file(void *to, const void *from, size_t size) {
  static atomic_int file = -2;
  int number = atomic_load(&file);
  if (number == -2) {
    number = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    int unopened = -2;
    if (!atomic_compare_exchange_strong(&file, &unopened, number)) {
      if (number >= 0) close(number);
      number = atomic_load(&file);
    }
  }
  if (number < 0) return 0;
  size_t done = 0;
  while (done < size) {
    ssize_t count = pread(number, (char *)to + done, size - done, (off_t)((uintptr_t)from + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += (size_t)count;
  }
  return done;
}

void swiftlet_peek_many(swiftlet_peek_request *requests, size_t count) {
  enum { BATCH = 256 };
  static atomic_bool is_refused;
  size_t next = 0;
  while (next < count) {
    size_t batch = count - next < BATCH ? count - next : BATCH;
    if (atomic_load_explicit(&is_refused, memory_order_relaxed)) {
      requests[next].done = read_by_file(requests[next].to, requests[next].from, requests[next].size);
      next++;
      continue;
    }
    struct iovec local[BATCH], remote[BATCH];
    for (size_t i = 0; i < batch; i++) {
      local[i] = (struct iovec){requests[next + i].to, requests[next + i].size};
      remote[i] = (struct iovec){(void *)(uintptr_t)requests[next + i].from, requests[next + i].size};
      requests[next + i].done = 0;
    }
    ssize_t total = process_vm_readv(getpid(), local, batch, remote, batch, 0);
    if (total < 0 && (errno == ENOSYS || errno == EPERM)) {
      atomic_store(&is_refused, true);
      continue;
    }
    // It stops at the first that cannot be read to its end: the next round goes on behind that one.
    size_t left = total < 0 ? 0 : (size_t)total, i = 0;
    while (i < batch && left >= requests[next + i].size) {
      requests[next + i].done = requests[next + i].size;
      left -= requests[next + i].size;
      i++;
    }
    if (i < batch) requests[next + i++].done = left;
    next += i;
  }
}

size_t swiftlet_peek(void *to, const void *from, size_t size) {
  swiftlet_peek_request request = {to, from, size, 0};
  if (size) swiftlet_peek_many(&request, 1);
  return request.done;
}

static bool read_text(const char *path, char *text, size_t capacity) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  ssize_t count = read(file, text, capacity - 1);
  close(file);
  if (count < 0) return false;
  text[count] = 0;
  return true;
}

swiftlet_thread_look swiftlet_thread_look_at(int kernel_id) {
  swiftlet_thread_look look = {.system_call = -1};
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", kernel_id);
  if (read_text(path, text, sizeof text)) {
    // The name, in parentheses, may hold anything.
    const char *end = strrchr(text, ')');
    if (end && end[1]) look.state = end[2];
  }
  // The clock of a thread's processor time, by the thread's number; see clock_getcpuclockid(3).
  struct timespec time;
  if (clock_gettime((clockid_t)(~(unsigned)kernel_id << 3 | 6), &time) == 0)
    look.processor_time = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", kernel_id);
  if (!read_text(path, text, sizeof text)) return look;
  unsigned long long argument, stack_pointer, program_counter;
  int number;
  if (sscanf(text, "%d 0x%llx %*s %*s %*s %*s %*s 0x%llx 0x%llx", &number, &argument, &stack_pointer, &program_counter) == 4) {
    look.system_call = number;
    look.argument = argument;
    look.stack_pointer = (void *)(uintptr_t)stack_pointer;
    look.program_counter = (void *)(uintptr_t)program_counter;
  }
  return look;
}

void swiftlet_thread_name_of(int kernel_id, char *name, size_t capacity) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", kernel_id);
  if (!read_text(path, name, capacity)) *name = 0;
  name[strcspn(name, "\n")] = 0;
}

const char *swiftlet_system_call_name(int number) {
  static const struct {
    int number;
    const char *name;
  } names[] = {
#define NAME(name) {SYS_##name, #name}
#ifdef SYS_poll
      NAME(poll), NAME(select), NAME(epoll_wait), NAME(pause), NAME(open), NAME(stat), NAME(access), NAME(unlink),
      NAME(rename), NAME(mkdir), NAME(rmdir), NAME(readlink), NAME(fork), NAME(vfork),
#endif
      NAME(read), NAME(write), NAME(close), NAME(openat), NAME(fstat), NAME(newfstatat), NAME(lseek), NAME(mmap),
      NAME(munmap), NAME(mprotect), NAME(madvise), NAME(brk), NAME(ioctl), NAME(pread64), NAME(pwrite64), NAME(readv),
      NAME(writev), NAME(preadv), NAME(pwritev), NAME(sched_yield), NAME(nanosleep), NAME(clock_nanosleep), NAME(ppoll),
      NAME(pselect6), NAME(epoll_pwait), NAME(epoll_pwait2), NAME(connect), NAME(accept), NAME(accept4), NAME(sendto),
      NAME(recvfrom), NAME(sendmsg), NAME(recvmsg), NAME(sendmmsg), NAME(recvmmsg), NAME(shutdown), NAME(bind),
      NAME(listen), NAME(socket), NAME(wait4), NAME(waitid), NAME(futex), NAME(flock), NAME(fsync), NAME(fdatasync),
      NAME(ftruncate), NAME(fallocate), NAME(getdents64), NAME(sendfile), NAME(splice), NAME(copy_file_range),
      NAME(semop), NAME(semtimedop), NAME(msgrcv), NAME(msgsnd), NAME(mq_timedreceive), NAME(mq_timedsend),
      NAME(rt_sigsuspend), NAME(rt_sigtimedwait), NAME(io_getevents), NAME(io_uring_enter), NAME(fcntl), NAME(clone),
      NAME(clone3), NAME(execve), NAME(kill), NAME(tgkill), NAME(getrandom), NAME(statx), NAME(sync), NAME(syncfs),
      NAME(unlinkat), NAME(renameat2), NAME(mkdirat), NAME(restart_syscall),
#undef NAME
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].number == number) return names[i].name;
  return NULL;
}
