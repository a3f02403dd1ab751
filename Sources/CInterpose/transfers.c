// sendfile and splice. sendfile to a blocking descriptor is done by reading and writing: it has no flag against waiting. splice
// has one for pipes; of a socket it is asked before whether it is ready, and gets no more than a ready one has room for.
#include "interpose.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"
#include "files.h"
#include "system_call.h"

#define STREAMS SWIFTLET_FAMILY_STREAMS

COVER(STREAMS, ssize_t, sendfile64, int to, int from, off_t *offset, size_t size);

// MARK: sendfile

enum { FEW = 2048, PIECE = 1 << 16 };

/// A few bytes of a file. Answers -2 when the call itself is to say what is wrong.
static __attribute__((noinline)) ssize_t send_few(const void *stack, int to, int from, off_t *offset, size_t size) {
  char bytes[FEW];
  ssize_t count = interpose_read_file(stack, from, bytes, size, offset ? *offset : -1);
  if (count < 0) return -2;
  ssize_t written = count == 0 ? 0 : write(to, bytes, (size_t)count);
  off_t done = written < 0 ? 0 : written;
  if (offset) {
    *offset += done;
  } else if (done < count) {
    int reason = errno;
    lseek(from, done - count, SEEK_CUR);
    errno = reason;
  }
  return written;
}

static bool is_waiting_pipe(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode) && !interpose_is_nonblocking(descriptor);
}

ssize_t sendfile64(int to, int from, off_t *offset, size_t size) {
  const size_t largest = 0x7ffff000;  // sendfile(2)
  const void *stack = interpose_gate(STREAMS);
  if (!stack || size == 0) return NEXT(sendfile64)(to, from, offset, size);
  bool is_to_socket = is_socket(interpose_kind(to));
  if (is_to_socket && size <= FEW && interpose_kind(from) == KIND_FILE && (!offset || *offset >= 0)) {
    ssize_t done = send_few(stack, to, from, offset, size);
    return done == -2 ? NEXT(sendfile64)(to, from, offset, size) : done;
  }
  if (is_to_socket ? interpose_is_nonblocking(to) : !is_waiting_pipe(to)) return NEXT(sendfile64)(to, from, offset, size);
  if (size > largest) size = largest;
  off_t position = offset ? *offset : lseek(from, 0, SEEK_CUR);
  char *piece = position < 0 ? NULL : malloc(PIECE);
  if (!piece) return NEXT(sendfile64)(to, from, offset, size);
  size_t done = 0;
  ssize_t written = 0;
  while (done < size) {
    ssize_t count = pread(from, piece, size - done < PIECE ? size - done : PIECE, position);
    if (count < 0 && done == 0) {
      free(piece);
      // What it cannot read from, the call itself says in its own words.
      return NEXT(sendfile64)(to, from, offset, size);
    }
    if (count <= 0) break;
    written = write(to, piece, (size_t)count);
    if (written <= 0) break;
    done += (size_t)written;
    position += written;
    if (written < count) break;
  }
  int reason = errno;
  if (offset) *offset = position;
  else if (done > 0) lseek(from, position, SEEK_SET);
  free(piece);
  errno = reason;
  return done > 0 || written >= 0 ? (ssize_t)done : -1;
}

COVER(STREAMS, ssize_t, sendfile, int to, int from, off_t *offset, size_t size) {
  return interpose_gate(STREAMS) ? sendfile64(to, from, offset, size) : NEXT(sendfile)(to, from, offset, size);
}

// MARK: splice

COVER(STREAMS, ssize_t, splice, int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned flags) {
  enum { ROOM = 4096 };
  const void *stack = flags & SPLICE_F_NONBLOCK ? NULL : interpose_gate(STREAMS);
  if (!stack || size == 0) return NEXT(splice)(from, from_offset, to, to_offset, size, flags);
  turn turns[2] = {{.stack = stack, .descriptor = from}, {.stack = stack, .descriptor = to, .for_writing = true}};
  for (int side = 0; side < 2; side++) {
    turn *its_turn = &turns[side];
    if (!is_socket(interpose_kind(its_turn->descriptor))) continue;
    if (size > ROOM) size = ROOM;
    while (!system_is_ready(its_turn->descriptor, its_turn->for_writing)) {
      turn_outcome outcome = interpose_turn(its_turn);
      if (outcome == TURN_FAILS) return -1;
      if (outcome == TURN_BLOCKS) return NEXT(splice)(from, from_offset, to, to_offset, size, flags);
    }
  }
  for (;;) {
    ssize_t count = NEXT(splice)(from, from_offset, to, to_offset, size, flags | SPLICE_F_NONBLOCK);
    if (LIKELY(count >= 0) || errno != EAGAIN) return count;
    // One of the pipes. A non-blocking one is the kernel's to judge: it counts in some directions only.
    turn *its_turn = &turns[system_is_ready(from, false) ? 1 : 0];
    turn_outcome outcome = TURN_BLOCKS;
    if (its_turn->has_begun || !interpose_is_nonblocking(its_turn->descriptor)) outcome = interpose_turn(its_turn);
    if (outcome == TURN_FAILS) return -1;
    if (outcome == TURN_BLOCKS) return NEXT(splice)(from, from_offset, to, to_offset, size, flags);
  }
}
