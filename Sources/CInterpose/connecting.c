// connect and accept.
#include "interpose.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SOCKETS SWIFTLET_FAMILY_SOCKETS

/// Of which nothing is connected, so that there is nothing to wait for.
static bool is_datagram(int descriptor) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type == SOCK_DGRAM;
}

COVER(SOCKETS, int, connect, int descriptor, const struct sockaddr *address, socklen_t length) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || is_datagram(descriptor)) return NEXT(connect)(descriptor, address, length);
  int flags = (int)syscall(SYS_fcntl, descriptor, F_GETFL, 0);
  if (flags < 0 || (flags & O_NONBLOCK)) return NEXT(connect)(descriptor, address, length);
  turn its_turn = {.stack = stack, .descriptor = descriptor, .for_writing = true};
  for (;;) {
    // There is no flag of the call's own for this one. The descriptor's is set for the call, not for the wait.
    syscall(SYS_fcntl, descriptor, F_SETFL, flags | O_NONBLOCK);
    int result = NEXT(connect)(descriptor, address, length), reason = errno;
    syscall(SYS_fcntl, descriptor, F_SETFL, flags);
    errno = reason;
    // Called again when it is through, it tells how it went, and the kernel takes the socket for connected from then on.
    // EAGAIN: a Unix socket whose listener's line is full.
    if (result == 0 || (reason != EINPROGRESS && reason != EALREADY && reason != EAGAIN)) return result;
    turn_outcome outcome = interpose_turn(&its_turn);
    if (outcome == TURN_BLOCKS) return NEXT(connect)(descriptor, address, length);
    if (outcome == TURN_FAILS) {
      // What connect(2) says when SO_SNDTIMEO has passed.
      if (errno == EAGAIN) errno = reason == EAGAIN ? EAGAIN : EINPROGRESS;
      return -1;
    }
  }
}

COVER(SOCKETS, int, __connect, int descriptor, const struct sockaddr *address, socklen_t length) {
  return interpose_gate(SOCKETS) ? connect(descriptor, address, length) : NEXT(__connect)(descriptor, address, length);
}

static bool is_readable(int descriptor) {
  struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
  return syscall(SYS_ppoll, &wanted, 1, &(struct timespec){0, 0}, NULL, 8) != 0;
}

static bool is_listener(int descriptor) {
  int listens = 0;
  socklen_t size = sizeof listens;
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/// Waits for a connection. False: errno says why the call fails. Who shares the socket with another process may find that
/// one quicker, and block: accept has no flag against that.
static bool has_connection(const void *stack, int descriptor) {
  turn its_turn = {.stack = stack, .descriptor = descriptor};
  while (!is_readable(descriptor)) {
    // What is wrong, or does not wait by its owner's wish, the call itself will say.
    if (!its_turn.has_begun && (interpose_is_nonblocking(descriptor) || !is_listener(descriptor))) return true;
    turn_outcome outcome = interpose_turn(&its_turn);
    if (outcome == TURN_BLOCKS) return true;
    if (outcome == TURN_FAILS) return false;
  }
  return true;
}

COVER(SOCKETS, int, accept, int descriptor, struct sockaddr *address, socklen_t *length) {
  const void *stack = interpose_gate(SOCKETS);
  if (stack && !has_connection(stack, descriptor)) return -1;
  return NEXT(accept)(descriptor, address, length);
}

COVER(SOCKETS, int, accept4, int descriptor, struct sockaddr *address, socklen_t *length, int flags) {
  const void *stack = interpose_gate(SOCKETS);
  if (stack && !has_connection(stack, descriptor)) return -1;
  return NEXT(accept4)(descriptor, address, length, flags);
}
