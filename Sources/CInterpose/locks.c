// flock and record locks. The kernel keeps the line of those who wait, and tells of no readiness: a thread of its own stands in
// that line for the call. If the call is cancelled meanwhile, the thread gives back what it gets.
#include "interpose.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOCKS SWIFTLET_FAMILY_LOCKS

typedef struct request {
  atomic_int owners;
  atomic_bool is_abandoned;
  int descriptor;
  int command;              // of fcntl; 0: flock
  int operation;            // of flock
  struct flock wanted;
  int result, reason;
} request;

static void leave_request(request *request) {
  if (atomic_fetch_sub(&request->owners, 1) == 1) free(request);
}

static void stand_in_line(void *argument) {
  request *request = argument;
  do {
    request->result = request->command
                          ? (int)syscall(SYS_fcntl, request->descriptor, request->command, &request->wanted)
                          : (int)syscall(SYS_flock, request->descriptor, request->operation);
    request->reason = errno;
  } while (request->result != 0 && request->reason == EINTR && !atomic_load(&request->is_abandoned));
  if (atomic_load(&request->is_abandoned) && request->result == 0) {
    if (request->command) {
      struct flock unlock = request->wanted;
      unlock.l_type = F_UNLCK;
      syscall(SYS_fcntl, request->descriptor, request->command == F_OFD_SETLKW ? F_OFD_SETLK : F_SETLK, &unlock);
    } else {
      syscall(SYS_flock, request->descriptor, LOCK_UN);
    }
  }
  // A duplicate for flock, whose lock belongs to what is open; closing one would end a process's record locks.
  if (!request->command) syscall(SYS_close, request->descriptor);
  leave_request(request);
}

/// Answers -2 when the call must block after all.
static int wait_for_lock(const void *stack, int descriptor, int command, int operation, const struct flock *wanted) {
  request *request = calloc(1, sizeof *request);
  if (!request) return -2;
  atomic_init(&request->owners, 2);
  request->command = command;
  request->operation = operation;
  if (wanted) request->wanted = *wanted;
  request->descriptor = command ? descriptor : (int)syscall(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, 0);
  if (request->descriptor < 0) {
    free(request);
    return -2;
  }
  int outcome = interpose_offload(stack, stand_in_line, request, true, false);
  if (outcome == SWIFTLET_FOREIGN_REFUSED) {
    if (!command) syscall(SYS_close, request->descriptor);
    free(request);
    return -2;
  }
  int result = -1, reason = ECANCELED;
  if (outcome == SWIFTLET_FOREIGN_READY) {
    result = request->result;
    reason = request->reason;
  } else {
    atomic_store(&request->is_abandoned, true);
  }
  leave_request(request);
  if (result != 0) errno = reason;
  return result;
}

COVER(LOCKS, int, flock, int descriptor, int operation) {
  const void *stack = operation & LOCK_NB ? NULL : interpose_gate(LOCKS);
  if (!stack || (operation & LOCK_UN)) return NEXT(flock)(descriptor, operation);
  int result = NEXT(flock)(descriptor, operation | LOCK_NB);
  if (result == 0 || errno != EWOULDBLOCK) return result;
  result = wait_for_lock(stack, descriptor, 0, operation, NULL);
  return result == -2 ? NEXT(flock)(descriptor, operation) : result;
}

static int lock_record(const void *stack, int descriptor, int command, struct flock *wanted) {
  int attempt = command == F_OFD_SETLKW ? F_OFD_SETLK : F_SETLK;
  int result = (int)syscall(SYS_fcntl, descriptor, attempt, wanted);
  if (result == 0 || (errno != EAGAIN && errno != EACCES)) return result;
  result = wait_for_lock(stack, descriptor, command, 0, wanted);
  return result == -2 ? (int)syscall(SYS_fcntl, descriptor, command, wanted) : result;
}

// Whatever the argument is, it comes in one register, variable or not, and a pointer has room for all of them: so these have three
// arguments here, and a name of their own in C.
#define COVER_FCNTL(name)                                                                                               \
  static int (*next_##name)(int, int, ...);                                                                             \
  extern int __interceptor_##name(int, int, ...) __attribute__((weak));                                                 \
  int three_##name(int descriptor, int command, void *argument) __asm__(#name);                                         \
  static const swiftlet_covered covered_##name __attribute__((used, section("swiftlet_covered"), aligned(8))) = {       \
      #name, LOCKS, (const void *)&three_##name, (void **)&next_##name, (const void *)&__interceptor_##name};           \
  __attribute__((visibility("default"))) int three_##name(int descriptor, int command, void *argument) {                \
    bool waits = command == F_SETLKW || command == F_OFD_SETLKW;                                                        \
    const void *stack = waits && argument ? interpose_gate(LOCKS) : NULL;                                               \
    return stack ? lock_record(stack, descriptor, command, argument) : NEXT(name)(descriptor, command, argument);       \
  }
COVER_FCNTL(fcntl)
COVER_FCNTL(fcntl64)
COVER_FCNTL(__fcntl)

static int lock_from_here(const void *stack, int descriptor, off_t length) {
  struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = length};
  return lock_record(stack, descriptor, F_SETLKW, &wanted);
}
COVER(LOCKS, int, lockf, int descriptor, int command, off_t length) {
  const void *stack = command == F_LOCK ? interpose_gate(LOCKS) : NULL;
  return stack ? lock_from_here(stack, descriptor, length) : NEXT(lockf)(descriptor, command, length);
}
COVER(LOCKS, int, lockf64, int descriptor, int command, off_t length) {
  const void *stack = command == F_LOCK ? interpose_gate(LOCKS) : NULL;
  return stack ? lock_from_here(stack, descriptor, length) : NEXT(lockf64)(descriptor, command, length);
}
