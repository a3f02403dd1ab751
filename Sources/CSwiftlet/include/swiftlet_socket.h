// Sockets. Every call answers a value of 0 or more, or the negative errno; EINTR is retried here.
#ifndef SWIFTLET_SOCKET_H
#define SWIFTLET_SOCKET_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

// The seam through which tests make calls fail. The hook answers the size to go on with, which may be smaller than
// asked for, or a negative errno.
enum swiftlet_socket_call {
  SWIFTLET_CALL_ACCEPT,
  SWIFTLET_CALL_CONNECT,
  SWIFTLET_CALL_RECEIVE,
  SWIFTLET_CALL_SEND,
  SWIFTLET_CALL_READ,   // of files
  SWIFTLET_CALL_WRITE,
  SWIFTLET_CALL_SYNC,
};
typedef long (*swiftlet_socket_fault)(int call, int descriptor, long size);
extern _Atomic(swiftlet_socket_fault) swiftlet_socket_fault_hook;
void swiftlet_socket_set_fault(swiftlet_socket_fault hook);

/// A refusal or a short count need not have come from the kernel: then it will not tell of a change to ready.
static inline bool swiftlet_socket_may_lie(void) {
  return __builtin_expect(atomic_load_explicit(&swiftlet_socket_fault_hook, memory_order_relaxed) != NULL, 0);
}

static inline long swiftlet_socket_ask(int call, int descriptor, long size) {
  swiftlet_socket_fault hook = atomic_load_explicit(&swiftlet_socket_fault_hook, memory_order_relaxed);
  return __builtin_expect(hook != NULL, 0) ? hook(call, descriptor, size) : size;
}

/// 0 at the end of the stream.
static inline long swiftlet_socket_receive(int descriptor, void *buffer, long size) {
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_RECEIVE, descriptor, size);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return allowed;
    long count = recv(descriptor, buffer, (size_t)allowed, 0);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

static inline long swiftlet_socket_send(int descriptor, const void *bytes, long size) {
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_SEND, descriptor, size);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return allowed;
    long count = send(descriptor, bytes, (size_t)allowed, MSG_NOSIGNAL);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

/// Sends two buffers behind each other with one call.
long swiftlet_socket_send_two(
    int descriptor, const void *first, long first_size, const void *second, long second_size);

/// Sends several buffers behind each other with one call.
long swiftlet_socket_send_many(int descriptor, struct iovec *parts, int count);

/// A stream socket that does not block and is closed on exec; one of TCP sends small packets at once.
int swiftlet_socket_make(int family);
/// Two connected Unix sockets.
int swiftlet_socket_make_pair(int *first, int *second);
/// A UDP socket that does not block and is closed on exec.
int swiftlet_datagram_make(int family);
int swiftlet_datagram_bind(int descriptor, const void *address, int length, bool reuse_port);
int swiftlet_datagram_allow_broadcast(int descriptor, bool allows);
/// One datagram: how many bytes of it lie in the buffer. What did not fit is gone, and `is_truncated` tells.
long swiftlet_datagram_receive(
    int descriptor, void *buffer, long size, void *address, int *length, bool *is_truncated);
/// One datagram; to the connected peer if the address is NULL.
long swiftlet_datagram_send(int descriptor, const void *bytes, long size, const void *address, int length);

int swiftlet_socket_connect(int descriptor, const void *address, int length);
/// The outcome of a connect that went on in the background: 0 or the negative errno.
int swiftlet_socket_outcome(int descriptor);
/// Makes connections come from an address of this machine; the port is chosen when they are made.
int swiftlet_socket_set_source(int descriptor, const void *address, int length);
int swiftlet_socket_listen(int descriptor, const void *address, int length, int backlog, bool reuse_port);
int swiftlet_socket_accept(int descriptor, void *address, int *length);
int swiftlet_socket_local_address(int descriptor, void *address, int *length);
int swiftlet_socket_end_writing(int descriptor);
/// Who connected a Unix socket, as the kernel noted it then.
int swiftlet_socket_peer_credentials(int descriptor, int *process, unsigned *user, unsigned *group);
/// Whether anything can be read: bytes, the end, or an error. Takes nothing.
bool swiftlet_socket_has_input(int descriptor);
/// The first byte that can be read, which stays where it is; -EAGAIN if nothing has come yet, -1 at the end or after an error.
int swiftlet_socket_peek(int descriptor);

#endif
