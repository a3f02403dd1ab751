#define _GNU_SOURCE
#include "swiftlet_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

_Atomic(swiftlet_socket_fault) swiftlet_socket_fault_hook;

void swiftlet_socket_set_fault(swiftlet_socket_fault hook) {
  atomic_store_explicit(&swiftlet_socket_fault_hook, hook, memory_order_relaxed);
}

long swiftlet_socket_send_many(int descriptor, struct iovec *parts, int count) {
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
  long size = 0;
  for (int i = 0; i < count; i++) size += (long)parts[i].iov_len;
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_SEND, descriptor, size);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return allowed;
    if (allowed < size) {
      long first = (long)parts[0].iov_len;
      return swiftlet_socket_send(descriptor, parts[0].iov_base, allowed < first ? allowed : first);
    }
    long sent = sendmsg(descriptor, &message, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno != EINTR) return -errno;
  }
}

long swiftlet_socket_send_two(
    int descriptor, const void *first, long first_size, const void *second, long second_size) {
  struct iovec parts[2] = {{(void *)first, (size_t)first_size}, {(void *)second, (size_t)second_size}};
  return swiftlet_socket_send_many(descriptor, parts, 2);
}

int swiftlet_socket_make(int family) {
  int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  // A listener's setting passes on to what it accepts (tcp_create_openreq_child), so it is set once.
  int yes = 1;
  if (family != AF_UNIX) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return descriptor;
}

int swiftlet_socket_make_pair(int *first, int *second) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return -errno;
  *first = pair[0];
  *second = pair[1];
  return 0;
}

int swiftlet_socket_connect(int descriptor, const void *address, int length) {
  long allowed = swiftlet_socket_ask(SWIFTLET_CALL_CONNECT, descriptor, 0);
  if (allowed < 0 && allowed != -EINTR) return (int)allowed;
  if (connect(descriptor, address, (socklen_t)length) == 0) return 0;
  // connect(2): an interrupted one goes on in the background, and calling it again would be an error.
  return errno == EINTR || (allowed == -EINTR && errno == EINPROGRESS) ? -EINPROGRESS : -errno;
}

int swiftlet_socket_outcome(int descriptor) {
  int outcome = 0;
  socklen_t size = sizeof outcome;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &outcome, &size) != 0) return -errno;
  return -outcome;
}

int swiftlet_socket_set_source(int descriptor, const void *address, int length) {
  int yes = 1;
  // ip(7): else each would take a port for itself alone, whomever it connects to, and there are some 28,000. What it cannot
  // be set for is bound as ever.
  setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  return bind(descriptor, address, (socklen_t)length) == 0 ? 0 : -errno;
}

int swiftlet_socket_listen(int descriptor, const void *address, int length, int backlog, bool reuse_port) {
  int yes = 1;
  // Without it a port stays taken for a minute after its server has ended (TIME_WAIT).
  if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0) return -errno;
  if (reuse_port && setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0) return -errno;
  if (bind(descriptor, address, (socklen_t)length) != 0) return -errno;
  return listen(descriptor, backlog) == 0 ? 0 : -errno;
}

int swiftlet_socket_accept(int descriptor, void *address, int *length) {
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_ACCEPT, descriptor, 0);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return (int)allowed;
    socklen_t size = (socklen_t)*length;
    int accepted = accept4(descriptor, address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      *length = (int)size;
      return accepted;
    }
    if (errno != EINTR) return -errno;
  }
}

int swiftlet_socket_local_address(int descriptor, void *address, int *length) {
  socklen_t size = (socklen_t)*length;
  if (getsockname(descriptor, address, &size) != 0) return -errno;
  *length = (int)size;
  return 0;
}

int swiftlet_socket_peer_credentials(int descriptor, int *process, unsigned *user, unsigned *group) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -errno;
  *process = credentials.pid;
  *user = credentials.uid;
  *group = credentials.gid;
  return 0;
}

int swiftlet_socket_end_writing(int descriptor) { return shutdown(descriptor, SHUT_WR) == 0 ? 0 : -errno; }

bool swiftlet_socket_has_input(int descriptor) {
  char byte;
  long count;
  do {
    count = recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  return count >= 0 || errno != EAGAIN;
}

int swiftlet_socket_peek(int descriptor) {
  unsigned char byte;
  long count;
  do {
    count = recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count == 1) return byte;
  return count < 0 && errno == EAGAIN ? -EAGAIN : -1;
}

int swiftlet_datagram_make(int family) {
  int descriptor = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  return descriptor >= 0 ? descriptor : -errno;
}

int swiftlet_datagram_bind(int descriptor, const void *address, int length, bool reuse_port) {
  int yes = 1;
  if (reuse_port && setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0) return -errno;
  return bind(descriptor, address, (socklen_t)length) == 0 ? 0 : -errno;
}

int swiftlet_datagram_allow_broadcast(int descriptor, bool allows) {
  int value = allows;
  return setsockopt(descriptor, SOL_SOCKET, SO_BROADCAST, &value, sizeof value) == 0 ? 0 : -errno;
}

long swiftlet_datagram_receive(
    int descriptor, void *buffer, long size, void *address, int *length, bool *is_truncated) {
  struct iovec part = {buffer, (size_t)size};
  struct msghdr message = {.msg_name = address, .msg_namelen = (socklen_t)*length, .msg_iov = &part, .msg_iovlen = 1};
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_RECEIVE, descriptor, size);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return allowed;
    long count = recvmsg(descriptor, &message, 0);
    if (count >= 0) {
      *length = (int)message.msg_namelen;
      *is_truncated = (message.msg_flags & MSG_TRUNC) != 0;
      return count;
    }
    if (errno != EINTR) return -errno;
  }
}

long swiftlet_datagram_send(int descriptor, const void *bytes, long size, const void *address, int length) {
  for (;;) {
    // A datagram goes as a whole: a smaller size is not taken from the hook.
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_SEND, descriptor, size);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return allowed;
    long count = sendto(descriptor, bytes, (size_t)size, MSG_NOSIGNAL, address, address ? (socklen_t)length : 0);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}
