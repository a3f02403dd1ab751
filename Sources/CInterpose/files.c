// Reading files in the page cache is done in place, and so is writing, which fills that cache. The rest goes to other
// threads, shielded from cancellation: the kernel may still write into the caller's buffer.
#include "interpose.h"

#include "descriptors.h"
#include "files.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "system_call.h"
#include "vectors.h"

#define FILES SWIFTLET_FAMILY_FILES

typedef struct {
  int descriptor;
  const struct iovec *vectors;
  int count;
  off_t offset;
  ssize_t result;
  int reason;
} file_call;

static void read_elsewhere(void *argument) {
  file_call *call = argument;
  call->result = system_readv(call->descriptor, call->vectors, call->count, call->offset, 0);
  call->reason = errno;
}

static ssize_t read_cached(const void *stack, int descriptor, const struct iovec *vectors, int count, off_t offset) {
  size_t size = vectors_size(vectors, count), done = 0;
  struct iovec single, *rest = count == 1 ? &single : malloc((size_t)count * sizeof *rest);
  if (!rest) return system_readv(descriptor, vectors, count, offset, 0);
  for (;;) {
    int left = vectors_rest(vectors, count, done, rest);
    off_t from = offset < 0 ? -1 : offset + (off_t)done;
    ssize_t more = system_readv(descriptor, rest, left, from, WITHOUT_WAITING);
    if (more < 0 && errno == EAGAIN) {
      file_call call = {.descriptor = descriptor, .vectors = rest, .count = left, .offset = from};
      if (interpose_offload(stack, read_elsewhere, &call, false, true) == SWIFTLET_FOREIGN_REFUSED) read_elsewhere(&call);
      more = call.result;
      errno = call.reason;
    } else if (more < 0 && errno == EOPNOTSUPP) {
      more = system_readv(descriptor, rest, left, from, 0);
    }
    if (more <= 0) {
      if (rest != &single) free(rest);
      return done > 0 ? (ssize_t)done : more;
    }
    done += (size_t)more;
    if (done >= size) break;
  }
  if (rest != &single) free(rest);
  return (ssize_t)done;
}

ssize_t interpose_read_file(const void *stack, int descriptor, void *buffer, size_t size, off_t offset) {
  struct iovec vector = {buffer, size};
  if (!(swiftlet_interpose_families() & FILES)) return system_readv(descriptor, &vector, 1, offset, 0);
  return read_cached(stack, descriptor, &vector, 1, offset);
}

COVER(FILES, ssize_t, pread64, int descriptor, void *buffer, size_t size, off_t offset) {
  const void *stack = interpose_gate(FILES);
  if (!stack || offset < 0) return NEXT(pread64)(descriptor, buffer, size, offset);
  return interpose_read_file(stack, descriptor, buffer, size, offset);
}
COVER(FILES, ssize_t, pread, int descriptor, void *buffer, size_t size, off_t offset) {
  const void *stack = interpose_gate(FILES);
  if (!stack || offset < 0) return NEXT(pread)(descriptor, buffer, size, offset);
  return interpose_read_file(stack, descriptor, buffer, size, offset);
}
COVER(FILES, ssize_t, preadv, int descriptor, const struct iovec *vectors, int count, off_t offset) {
  const void *stack = interpose_gate(FILES);
  if (!stack || offset < 0 || count <= 0 || count > IOV_MAX) return NEXT(preadv)(descriptor, vectors, count, offset);
  return read_cached(stack, descriptor, vectors, count, offset);
}
COVER(FILES, ssize_t, preadv64, int descriptor, const struct iovec *vectors, int count, off_t offset) {
  const void *stack = interpose_gate(FILES);
  if (!stack || offset < 0 || count <= 0 || count > IOV_MAX) return NEXT(preadv64)(descriptor, vectors, count, offset);
  return read_cached(stack, descriptor, vectors, count, offset);
}
COVER(FILES, ssize_t, __pread64, int descriptor, void *buffer, size_t size, off_t offset) {
  const void *stack = interpose_gate(FILES);
  if (!stack || offset < 0) return NEXT(__pread64)(descriptor, buffer, size, offset);
  return interpose_read_file(stack, descriptor, buffer, size, offset);
}
COVER(FILES, ssize_t, __pread_chk, int descriptor, void *buffer, size_t size, off_t offset, size_t room) {
  const void *stack = interpose_gate(FILES);
  if (!stack || offset < 0 || size > room) return NEXT(__pread_chk)(descriptor, buffer, size, offset, room);
  return interpose_read_file(stack, descriptor, buffer, size, offset);
}
COVER(FILES, ssize_t, __pread64_chk, int descriptor, void *buffer, size_t size, off_t offset, size_t room) {
  const void *stack = interpose_gate(FILES);
  if (!stack || offset < 0 || size > room) return NEXT(__pread64_chk)(descriptor, buffer, size, offset, room);
  return interpose_read_file(stack, descriptor, buffer, size, offset);
}

// MARK: Synchronizing

typedef struct {
  int (*call)(int);
  int descriptor, result, reason;
} sync_call;

static void synchronize(void *argument) {
  sync_call *call = argument;
  call->result = call->call(call->descriptor);
  call->reason = errno;
}

static int synchronize_elsewhere(const void *stack, int (*libc)(int), int descriptor) {
  sync_call call = {.call = libc, .descriptor = descriptor};
  if (interpose_offload(stack, synchronize, &call, false, true) == SWIFTLET_FOREIGN_REFUSED) return libc(descriptor);
  errno = call.reason;
  return call.result;
}

COVER(FILES, int, fsync, int descriptor) {
  const void *stack = interpose_gate(FILES);
  return stack && interpose_kind(descriptor) == KIND_FILE ? synchronize_elsewhere(stack, NEXT(fsync), descriptor)
                                                          : NEXT(fsync)(descriptor);
}
COVER(FILES, int, fdatasync, int descriptor) {
  const void *stack = interpose_gate(FILES);
  return stack && interpose_kind(descriptor) == KIND_FILE ? synchronize_elsewhere(stack, NEXT(fdatasync), descriptor)
                                                          : NEXT(fdatasync)(descriptor);
}
