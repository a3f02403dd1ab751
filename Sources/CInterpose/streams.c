// read, write and their kin, on whatever can be polled. Sockets, pipes, terminals: a call of its own each.
#include "interpose.h"

#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "files.h"
#include "system_call.h"
#include "vectors.h"

#define STREAMS SWIFTLET_FAMILY_STREAMS

COVER(STREAMS, ssize_t, readv, int descriptor, const struct iovec *vectors, int count);
COVER(STREAMS, ssize_t, writev, int descriptor, const struct iovec *vectors, int count);

/// Writing less than this to an event descriptor is not looked at before: the counter has room for 2^64 - 2. Only who has
/// written much more can have filled it.
#define LARGE_COUNT (UINT64_C(1) << 20)
static bool has_large_counts;

static bool can_fill_event(const struct iovec *vector, int count) {
  uint64_t value;
  if (count != 1 || vector->iov_len < sizeof value) return true;
  memcpy(&value, vector->iov_base, sizeof value);
  if (value >= LARGE_COUNT) __atomic_store_n(&has_large_counts, true, __ATOMIC_RELAXED);
  return __atomic_load_n(&has_large_counts, __ATOMIC_RELAXED);
}

static ssize_t try_socket(int descriptor, const struct iovec *vectors, int count, bool for_writing) {
  struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = (size_t)count};
  if (count == 1)
    return for_writing ? system_send(descriptor, vectors->iov_base, vectors->iov_len, MSG_DONTWAIT)
                       : system_receive(descriptor, vectors->iov_base, vectors->iov_len, MSG_DONTWAIT);
  return system_call(for_writing ? SYS_sendmsg : SYS_recvmsg, descriptor, (long)&message, MSG_DONTWAIT, 0, 0, 0);
}

/// One try that does not wait. EAGAIN: it would have to.
static ssize_t try_vectors(int descriptor, const struct iovec *vectors, int count, bool for_writing) {
  descriptor_kind kind = interpose_kind(descriptor);
  if (is_socket(kind)) {
    // 0 bytes: read answers at once, where receiving would take a datagram.
    bool is_empty = count > IOV_MAX || vectors_size(vectors, count) == 0;
    ssize_t done = is_empty ? -1 : try_socket(descriptor, vectors, count, for_writing);
    if (!is_empty && (done >= 0 || errno != ENOTSOCK)) return done;
    kind = is_empty ? KIND_QUICK : interpose_find_kind(descriptor);
  }
  if (kind == KIND_QUICK || (!for_writing && (kind == KIND_QUICK_TO_READ || kind == KIND_EVENT))) {
    ssize_t done = for_writing ? system_writev(descriptor, vectors, count, WITHOUT_WAITING)
                               : system_readv(descriptor, vectors, count, -1, WITHOUT_WAITING);
    if (LIKELY(done >= 0) || errno != EOPNOTSUPP) return done;
    kind = interpose_set_kind(descriptor, for_writing ? KIND_QUICK_TO_READ : KIND_POLLED);
  }
  if (kind == KIND_EVENT && !can_fill_event(vectors, count))
    return system_call(SYS_write, descriptor, (long)vectors->iov_base, (long)vectors->iov_len, 0, 0, 0);
  // Terminals, devices, full event descriptors. Another reader of the same one may be quicker, and this call then block.
  bool is_polled = kind == KIND_POLLED || kind == KIND_QUICK_TO_READ || kind == KIND_EVENT;
  if (is_polled && !system_is_ready(descriptor, for_writing)) return errno = EAGAIN, -1;
  return for_writing ? NEXT(writev)(descriptor, vectors, count) : NEXT(readv)(descriptor, vectors, count);
}

/// The same with one buffer, which is cheaper. In one function with the call: to return costs most after a system call.
static inline __attribute__((always_inline)) ssize_t try_buffer(
    int descriptor, void *buffer, size_t size, bool for_writing) {
  descriptor_kind kind = interpose_kind(descriptor);
  struct iovec vector = {buffer, size};
  if (is_socket(kind) && size > 0) {
    ssize_t done = for_writing ? system_send(descriptor, buffer, size, MSG_DONTWAIT)
                               : system_receive(descriptor, buffer, size, MSG_DONTWAIT);
    if (LIKELY(done >= 0) || errno != ENOTSOCK) return done;
    interpose_find_kind(descriptor);
  } else if (kind == KIND_QUICK) {
    ssize_t done = for_writing ? system_writev(descriptor, &vector, 1, WITHOUT_WAITING)
                               : system_readv(descriptor, &vector, 1, -1, WITHOUT_WAITING);
    if (LIKELY(done >= 0) || errno != EOPNOTSUPP) return done;
  }
  return try_vectors(descriptor, &vector, 1, for_writing);
}

/// A blocking descriptor takes all of it before the call returns, unless it fails or is interrupted. `done` is written.
static ssize_t write_rest(const void *stack, int descriptor, const struct iovec *vectors, int count, size_t done) {
  descriptor_kind kind = interpose_kind(descriptor);
  if ((!is_socket(kind) && kind != KIND_QUICK) || interpose_is_nonblocking(descriptor)) return (ssize_t)done;
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
  descriptor_kind kind = interpose_kind(descriptor);
  if (kind == KIND_UNKNOWN) return NEXT(read)(descriptor, buffer, size);
  if (kind == KIND_FILE) {
    // Of whatever kind it is: all of it, or the end, which a second look at the rest shows.
    struct iovec vector = {buffer, size};
    ssize_t count = system_readv(descriptor, &vector, 1, -1, WITHOUT_WAITING);
    if (LIKELY(count == (ssize_t)size || count == 0)) return count;
    size_t done = count > 0 ? (size_t)count : 0;
    vector = (struct iovec){(char *)buffer + done, size - done};
    ssize_t rest = done > 0 ? system_readv(descriptor, &vector, 1, -1, WITHOUT_WAITING) : -1;
    if (rest == 0) return count;
    if (rest > 0) {
      done += (size_t)rest;
      vector = (struct iovec){(char *)buffer + done, size - done};
    }
    if (interpose_find_kind(descriptor) == KIND_FILE) {
      ssize_t more = interpose_read_file(stack, descriptor, vector.iov_base, vector.iov_len, -1);
      return more < 0 && done > 0 ? (ssize_t)done : more + (ssize_t)done;
    }
    if (done > 0) return (ssize_t)done;
  }
  if (!(swiftlet_interpose_families() & STREAMS)) return NEXT(read)(descriptor, buffer, size);
  return COOPERATE(
      ssize_t, stack, descriptor, false, try_buffer(descriptor, buffer, size, false),
      NEXT(read)(descriptor, buffer, size));
}

COVER(STREAMS, ssize_t, write, int descriptor, const void *buffer, size_t size) {
  const void *stack = interpose_gate(STREAMS);
  descriptor_kind kind = stack ? interpose_kind(descriptor) : KIND_UNKNOWN;
  if (kind == KIND_UNKNOWN || kind == KIND_FILE) return NEXT(write)(descriptor, buffer, size);
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
COVER(STREAMS, int, eventfd_read, int descriptor, eventfd_t *value) {
  if (!interpose_gate(STREAMS)) return NEXT(eventfd_read)(descriptor, value);
  return read(descriptor, value, sizeof *value) == sizeof *value ? 0 : -1;
}
COVER(STREAMS, int, eventfd_write, int descriptor, eventfd_t value) {
  if (!interpose_gate(STREAMS)) return NEXT(eventfd_write)(descriptor, value);
  return write(descriptor, &value, sizeof value) == sizeof value ? 0 : -1;
}
