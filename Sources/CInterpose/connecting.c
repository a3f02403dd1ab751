// connect and accept.
#include "interpose.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "system_call.h"

#define SOCKETS SWIFTLET_FAMILY_SOCKETS

COVER(SOCKETS, int, connect, int descriptor, const struct sockaddr *address, socklen_t length) {
  const void *stack = interpose_gate(SOCKETS);
  // Of datagrams nothing is connected, so there is nothing to wait for.
  if (!stack || interpose_kind(descriptor) != KIND_SOCKET) return NEXT(connect)(descriptor, address, length);
  int flags = (int)system_call(SYS_fcntl, descriptor, F_GETFL, 0, 0, 0, 0);
  if (flags < 0 || (flags & O_NONBLOCK)) return NEXT(connect)(descriptor, address, length);
  turn its_turn = {.stack = stack, .descriptor = descriptor, .for_writing = true};
  for (;;) {
    // There is no flag of the call's own for this one. The descriptor's is set for the call, not for the wait.
    system_call(SYS_fcntl, descriptor, F_SETFL, flags | O_NONBLOCK, 0, 0, 0);
    int result = NEXT(connect)(descriptor, address, length), reason = errno;
    system_call(SYS_fcntl, descriptor, F_SETFL, flags, 0, 0, 0);
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

static bool is_listener(int descriptor) {
  int listens = 0;
  socklen_t size = sizeof listens;
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/// Waits for a connection. False: errno says why the call fails. Who shares the socket with another process may find that
/// one quicker, and block: accept has no flag against that.
static __attribute__((noinline)) bool wait_for_connection(const void *stack, int descriptor) {
  turn its_turn = {.stack = stack, .descriptor = descriptor};
  do {
    // What is wrong, or does not wait by its owner's wish, the call itself will say.
    if (!its_turn.has_begun && (interpose_is_nonblocking(descriptor) || !is_listener(descriptor))) return true;
    turn_outcome outcome = interpose_turn(&its_turn);
    if (outcome == TURN_BLOCKS) return true;
    if (outcome == TURN_FAILS) return false;
  } while (!system_is_ready(descriptor, false));
  return true;
}

/// The first look is made where the call is: see try_buffer.
static inline __attribute__((always_inline)) bool has_connection(const void *stack, int descriptor) {
  return descriptor < 0 || LIKELY(system_is_ready(descriptor, false)) || wait_for_connection(stack, descriptor);
}

COVER(SOCKETS, int, accept, int descriptor, struct sockaddr *address, socklen_t *length) {
  const void *stack = interpose_gate(SOCKETS);
  if (LIKELY(!stack)) return NEXT(accept)(descriptor, address, length);
  return has_connection(stack, descriptor) ? NEXT(accept)(descriptor, address, length) : -1;
}

COVER(SOCKETS, int, accept4, int descriptor, struct sockaddr *address, socklen_t *length, int flags) {
  const void *stack = interpose_gate(SOCKETS);
  if (LIKELY(!stack)) return NEXT(accept4)(descriptor, address, length, flags);
  return has_connection(stack, descriptor) ? NEXT(accept4)(descriptor, address, length, flags) : -1;
}
