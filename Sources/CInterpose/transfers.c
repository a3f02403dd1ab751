// sendfile and splice. Neither has a flag of its own for every descriptor that may block: sendfile to a blocking descriptor is
// done by reading and writing, splice in pieces that the other side has room for.
#include "interpose.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STREAMS SWIFTLET_FAMILY_STREAMS

COVER(STREAMS, ssize_t, sendfile64, int to, int from, off_t *offset, size_t size);

static bool can_wait(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return false;
  return (S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode)) && !interpose_is_nonblocking(descriptor);
}

ssize_t sendfile64(int to, int from, off_t *offset, size_t size) {
  enum { PIECE = 1 << 16 };
  const size_t largest = 0x7ffff000;  // sendfile(2)
  const void *stack = interpose_gate(STREAMS);
  if (!stack || size == 0 || !can_wait(to)) return NEXT(sendfile64)(to, from, offset, size);
  if (size > largest) size = largest;
  off_t position = offset ? *offset : lseek(from, 0, SEEK_CUR);
  char *piece = position < 0 ? NULL : malloc(PIECE);
  if (!piece) return NEXT(sendfile64)(to, from, offset, size);
  size_t done = 0;
  ssize_t written = 0;
  while (done < size) {
    ssize_t count = pread(from, piece, size - done < PIECE ? size - done : PIECE, position);
    if (count < 0 && done == 0) {
      int reason = errno;
      free(piece);
      errno = reason;
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

static bool is_ready(int descriptor, bool for_writing) {
  struct pollfd wanted = {.fd = descriptor, .events = for_writing ? POLLOUT : POLLIN};
  return syscall(SYS_ppoll, &wanted, 1, &(struct timespec){0, 0}, NULL, 8) != 0;
}

COVER(STREAMS, ssize_t, splice, int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size, unsigned flags) {
  enum { PIECE = 4096 };
  const void *stack = flags & SPLICE_F_NONBLOCK ? NULL : interpose_gate(STREAMS);
  if (!stack || size == 0) return NEXT(splice)(from, from_offset, to, to_offset, size, flags);
  for (int side = 0; side < 2; side++) {
    int descriptor = side == 0 ? from : to;
    if (!can_wait(descriptor)) continue;
    if (size > PIECE) size = PIECE;
    turn its_turn = {.stack = stack, .descriptor = descriptor, .for_writing = side == 1};
    while (!is_ready(descriptor, side == 1)) {
      turn_outcome outcome = interpose_turn(&its_turn);
      if (outcome == TURN_FAILS) return -1;
      if (outcome == TURN_BLOCKS) break;
    }
  }
  return NEXT(splice)(from, from_offset, to, to_offset, size, flags);
}
