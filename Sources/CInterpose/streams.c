// read, write and their kin, on whatever can be polled. Sockets, pipes, terminals: a call of its own each.
//
// What a descriptor is, is remembered by its number, until that is given up. A number that was closed unseen (by a system call made
// directly) is known wrongly: most wrong beliefs cost a call, and what passes for a file is looked at before it is read elsewhere.
#include "interpose.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"
#include "vectors.h"

#define STREAMS SWIFTLET_FAMILY_STREAMS
#define WITHOUT_WAITING 8  // RWF_NOWAIT

// QUICK: can be tried without waiting, by RWF_NOWAIT; QUICK_TO_READ: reading it can. What pipes can, and event descriptors in part,
// is not told by their kind: what is no socket and no file is QUICK until the kernel refuses the flag.
enum { HINT_UNKNOWN, HINT_SOCKET, HINT_QUICK, HINT_QUICK_TO_READ, HINT_POLLED, HINT_FILE };
enum { HINTS = 1 << 16 };
static uint8_t hints[HINTS];

static uint8_t hint_of(int descriptor) {
  return (unsigned)descriptor < HINTS ? __atomic_load_n(&hints[descriptor], __ATOMIC_RELAXED) : HINT_UNKNOWN;
}
static uint8_t set_hint(int descriptor, uint8_t hint) {
  if ((unsigned)descriptor < HINTS) __atomic_store_n(&hints[descriptor], hint, __ATOMIC_RELAXED);
  return hint;
}

// How many looks in a row have found nothing. Drivers poll for an answer when they have just asked.
static uint8_t vain_looks[HINTS];

bool interpose_expects_nothing(int descriptor) {
  enum { ENOUGH = 4, ONE_LOOK_IN = 16 };
  if ((unsigned)descriptor >= HINTS) return false;
  uint8_t vain = __atomic_load_n(&vain_looks[descriptor], __ATOMIC_RELAXED);
  if (vain < ENOUGH) return false;
  // Now and then it is looked at all the same.
  __atomic_store_n(&vain_looks[descriptor], vain + 1 < ENOUGH + ONE_LOOK_IN ? vain + 1 : ENOUGH - 1, __ATOMIC_RELAXED);
  return true;
}

void interpose_note_look(int descriptor, bool found) {
  if ((unsigned)descriptor >= HINTS) return;
  uint8_t vain = __atomic_load_n(&vain_looks[descriptor], __ATOMIC_RELAXED);
  if (found ? vain != 0 : vain < 255) __atomic_store_n(&vain_looks[descriptor], found ? 0 : vain + 1, __ATOMIC_RELAXED);
}

void interpose_forget(int descriptor) {
  set_hint(descriptor, HINT_UNKNOWN);
  interpose_note_look(descriptor, true);
}

void interpose_forget_all(void) {
  for (int i = 0; i < HINTS; i++) {
    if (hint_of(i) != HINT_UNKNOWN) set_hint(i, HINT_UNKNOWN);
    interpose_note_look(i, true);
  }
}

static uint8_t find_hint(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return HINT_UNKNOWN;
  uint8_t hint = S_ISSOCK(status.st_mode)   ? HINT_SOCKET
                 : S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode) ? HINT_FILE
                                                                                                 : HINT_QUICK;
  return set_hint(descriptor, hint);
}

COVER(STREAMS, ssize_t, readv, int descriptor, const struct iovec *vectors, int count);
COVER(STREAMS, ssize_t, writev, int descriptor, const struct iovec *vectors, int count);

static bool is_ready(int descriptor, bool for_writing) {
  struct pollfd wanted = {.fd = descriptor, .events = for_writing ? POLLOUT : POLLIN};
  return syscall(SYS_ppoll, &wanted, 1, &(struct timespec){0, 0}, NULL, 8) != 0;
}

/// One try that does not wait. EAGAIN: it would have to.
static ssize_t try_vectors(int descriptor, const struct iovec *vectors, int count, bool for_writing) {
  uint8_t hint = hint_of(descriptor);
  if (hint == HINT_UNKNOWN) hint = find_hint(descriptor);
  if (hint == HINT_SOCKET) {
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = (size_t)count};
    // 0 bytes: read answers at once, where receiving would take a datagram.
    bool is_empty = count > IOV_MAX || vectors_size(vectors, count) == 0;
    ssize_t done = is_empty ? (errno = ENOTSOCK, -1)
                   : count == 1 && for_writing
                       ? syscall(SYS_sendto, descriptor, vectors->iov_base, vectors->iov_len, MSG_DONTWAIT, NULL, 0)
                   : count == 1
                       ? syscall(SYS_recvfrom, descriptor, vectors->iov_base, vectors->iov_len, MSG_DONTWAIT, NULL, NULL)
                   : for_writing ? syscall(SYS_sendmsg, descriptor, &message, MSG_DONTWAIT)
                                 : syscall(SYS_recvmsg, descriptor, &message, MSG_DONTWAIT);
    if (done >= 0 || errno != ENOTSOCK) return done;
    hint = is_empty ? HINT_QUICK : find_hint(descriptor);
  }
  if (hint == HINT_QUICK || (hint == HINT_QUICK_TO_READ && !for_writing)) {
    ssize_t done = syscall(for_writing ? SYS_pwritev2 : SYS_preadv2, descriptor, vectors, count, -1L, -1L, WITHOUT_WAITING);
    if (done >= 0 || errno != EOPNOTSUPP) return done;
    hint = set_hint(descriptor, for_writing ? HINT_QUICK_TO_READ : HINT_POLLED);
  }
  // Terminals, event descriptors, devices. Another reader of the same one may be quicker, and this call then block.
  if ((hint == HINT_POLLED || hint == HINT_QUICK_TO_READ) && !is_ready(descriptor, for_writing)) {
    errno = EAGAIN;
    return -1;
  }
  return for_writing ? NEXT(writev)(descriptor, vectors, count) : NEXT(readv)(descriptor, vectors, count);
}

/// The same with one buffer, which is cheaper for a socket.
static inline ssize_t try_buffer(int descriptor, void *buffer, size_t size, bool for_writing) {
  if (LIKELY(hint_of(descriptor) == HINT_SOCKET && size > 0)) {
    ssize_t done = for_writing ? syscall(SYS_sendto, descriptor, buffer, size, MSG_DONTWAIT, NULL, 0)
                               : syscall(SYS_recvfrom, descriptor, buffer, size, MSG_DONTWAIT, NULL, NULL);
    if (LIKELY(done >= 0) || errno != ENOTSOCK) return done;
    find_hint(descriptor);
  }
  struct iovec vector = {buffer, size};
  return try_vectors(descriptor, &vector, 1, for_writing);
}

/// A blocking descriptor takes all of it before the call returns, unless it fails or is interrupted. `done` is written.
static ssize_t write_rest(const void *stack, int descriptor, const struct iovec *vectors, int count, size_t done) {
  uint8_t hint = hint_of(descriptor);
  if ((hint != HINT_SOCKET && hint != HINT_QUICK) || interpose_is_nonblocking(descriptor)) return (ssize_t)done;
  size_t size = vectors_size(vectors, count);
  struct iovec single, *rest = count == 1 ? &single : malloc((size_t)count * sizeof *rest);
  if (!rest) return (ssize_t)done;
  while (done < size) {
    int left = vectors_rest(vectors, count, done, rest);
    ssize_t more = COOPERATE(
        ssize_t, stack, descriptor, true, try_vectors(descriptor, rest, left, true), NEXT(writev)(descriptor, rest, left));
    if (more <= 0) break;
    done += (size_t)more;
  }
  if (rest != &single) free(rest);
  return (ssize_t)done;
}

COVER(STREAMS | SWIFTLET_FAMILY_FILES, ssize_t, read, int descriptor, void *buffer, size_t size) {
  const void *stack = interpose_gate(STREAMS | SWIFTLET_FAMILY_FILES);
  if (!stack) return NEXT(read)(descriptor, buffer, size);
  uint8_t hint = hint_of(descriptor);
  if (hint == HINT_UNKNOWN) hint = find_hint(descriptor);
  if (hint == HINT_FILE) {
    // Of whatever kind it is: all of it, or the end.
    struct iovec vector = {buffer, size};
    ssize_t count = syscall(SYS_preadv2, descriptor, &vector, 1, -1L, -1L, WITHOUT_WAITING);
    if (LIKELY(count == (ssize_t)size || count == 0)) return count;
    if (find_hint(descriptor) == HINT_FILE) {
      size_t done = count > 0 ? (size_t)count : 0;
      ssize_t more = interpose_read_file(stack, descriptor, (char *)buffer + done, size - done, -1);
      return more < 0 && done > 0 ? (ssize_t)done : more + (ssize_t)done;
    }
    if (count > 0) return count;
  }
  if (!(swiftlet_interpose_families() & STREAMS)) return NEXT(read)(descriptor, buffer, size);
  return COOPERATE(
      ssize_t, stack, descriptor, false, try_buffer(descriptor, buffer, size, false),
      NEXT(read)(descriptor, buffer, size));
}

COVER(STREAMS, ssize_t, write, int descriptor, const void *buffer, size_t size) {
  const void *stack = interpose_gate(STREAMS);
  if (!stack || hint_of(descriptor) == HINT_FILE) return NEXT(write)(descriptor, buffer, size);
  ssize_t done = COOPERATE(
      ssize_t, stack, descriptor, true, try_buffer(descriptor, (void *)buffer, size, true),
      NEXT(write)(descriptor, buffer, size));
  if (LIKELY(done < 0 || (size_t)done >= size)) return done;
  struct iovec vector = {(void *)buffer, size};
  return write_rest(stack, descriptor, &vector, 1, (size_t)done);
}

ssize_t readv(int descriptor, const struct iovec *vectors, int count) {
  const void *stack = interpose_gate(STREAMS);
  if (!stack || count <= 0 || count > IOV_MAX) return NEXT(readv)(descriptor, vectors, count);
  return COOPERATE(
      ssize_t, stack, descriptor, false, try_vectors(descriptor, vectors, count, false),
      NEXT(readv)(descriptor, vectors, count));
}

ssize_t writev(int descriptor, const struct iovec *vectors, int count) {
  const void *stack = interpose_gate(STREAMS);
  if (!stack || count <= 0 || count > IOV_MAX) return NEXT(writev)(descriptor, vectors, count);
  ssize_t done = COOPERATE(
      ssize_t, stack, descriptor, true, try_vectors(descriptor, vectors, count, true),
      NEXT(writev)(descriptor, vectors, count));
  if (done < 0 || (size_t)done >= vectors_size(vectors, count)) return done;
  return write_rest(stack, descriptor, vectors, count, (size_t)done);
}

// MARK: Other names

COVER(STREAMS, ssize_t, preadv2, int descriptor, const struct iovec *vectors, int count, off_t offset, int flags) {
  // -1: at the file's own position, as readv.
  if (offset != -1 || flags != 0 || !interpose_gate(STREAMS)) return NEXT(preadv2)(descriptor, vectors, count, offset, flags);
  return readv(descriptor, vectors, count);
}
COVER(STREAMS, ssize_t, pwritev2, int descriptor, const struct iovec *vectors, int count, off_t offset, int flags) {
  if (offset != -1 || flags != 0 || !interpose_gate(STREAMS))
    return NEXT(pwritev2)(descriptor, vectors, count, offset, flags);
  return writev(descriptor, vectors, count);
}
COVER(STREAMS, ssize_t, preadv64v2, int descriptor, const struct iovec *vectors, int count, off_t offset, int flags) {
  if (offset != -1 || flags != 0 || !interpose_gate(STREAMS))
    return NEXT(preadv64v2)(descriptor, vectors, count, offset, flags);
  return readv(descriptor, vectors, count);
}
COVER(STREAMS, ssize_t, pwritev64v2, int descriptor, const struct iovec *vectors, int count, off_t offset, int flags) {
  if (offset != -1 || flags != 0 || !interpose_gate(STREAMS))
    return NEXT(pwritev64v2)(descriptor, vectors, count, offset, flags);
  return writev(descriptor, vectors, count);
}
COVER(STREAMS, ssize_t, __read, int descriptor, void *buffer, size_t size) {
  return interpose_gate(STREAMS) ? read(descriptor, buffer, size) : NEXT(__read)(descriptor, buffer, size);
}
COVER(STREAMS, ssize_t, __write, int descriptor, const void *buffer, size_t size) {
  return interpose_gate(STREAMS) ? write(descriptor, buffer, size) : NEXT(__write)(descriptor, buffer, size);
}
COVER(STREAMS, ssize_t, __read_chk, int descriptor, void *buffer, size_t size, size_t room) {
  // A buffer that is too small is the program's end: libc's own function says so.
  if (size > room || !interpose_gate(STREAMS)) return NEXT(__read_chk)(descriptor, buffer, size, room);
  return read(descriptor, buffer, size);
}
