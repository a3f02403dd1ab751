// recv, send and their kin: tried with MSG_DONTWAIT, which is the call's own and not the descriptor's.
#include "interpose.h"

#include <poll.h>
#include <sys/socket.h>

#include "descriptors.h"
#include "system_call.h"
#include "vectors.h"

#define SOCKETS SWIFTLET_FAMILY_SOCKETS

static bool is_stream(int descriptor) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && (type == SOCK_STREAM);
}

static bool is_local(int descriptor) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

// MARK: A low mark

// MSG_DONTWAIT takes what is there, but the call has to wait for the mark. It is asked for once a descriptor, and again when
// anybody has set one: duplicates share it.
COVER(SWIFTLET_FAMILY_ALWAYS, int, setsockopt, int descriptor, int level, int option, const void *value, socklen_t size) {
  if (LIKELY(level != SOL_SOCKET || option != SO_RCVLOWAT)) return NEXT(setsockopt)(descriptor, level, option, value, size);
  int result = NEXT(setsockopt)(descriptor, level, option, value, size);
  __atomic_fetch_add(&interpose_low_marks, 1, __ATOMIC_RELEASE);
  return result;
}

/// Waits for the mark, if there is one. False: errno says why the call fails. Readiness is told at the mark (tcp(7)).
static bool reaches_mark(const void *stack, int descriptor, int flags) {
  uint32_t round = __atomic_load_n(&interpose_low_marks, __ATOMIC_ACQUIRE);
  if (LIKELY(round == 0) || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE))) return true;
  uint32_t *unmarked = (unsigned)descriptor < DESCRIPTORS ? &interpose_beliefs[descriptor].unmarked : NULL;
  if (unmarked && __atomic_load_n(unmarked, __ATOMIC_RELAXED) == round) return true;
  int mark = 1;
  socklen_t size = sizeof mark;
  if (getsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &mark, &size) != 0) return true;
  if (mark <= 1) {
    if (unmarked) __atomic_store_n(unmarked, round, __ATOMIC_RELAXED);
    return true;
  }
  if (interpose_is_nonblocking(descriptor)) return true;
  turn its_turn = {.stack = stack, .descriptor = descriptor};
  return interpose_turn(&its_turn) != TURN_FAILS;
}

// MARK: Tries that do not wait

// A sanitizer wants to see them.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TRY(name, number, ...) NEXT(name)(__VA_ARGS__)
#else
#define TRY(name, number, ...) TRY_DIRECTLY(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define TRY_DIRECTLY(number, first, second, third, fourth, fifth, sixth, ...) \
  system_call(number, (long)(first), (long)(second), (long)(third), (long)(fourth), (long)(fifth), (long)(sixth))
#endif
#define TRY_RECVFROM(...) TRY(recvfrom, SYS_recvfrom, __VA_ARGS__)
#define TRY_RECVMSG(...) TRY(recvmsg, SYS_recvmsg, __VA_ARGS__)
#define TRY_SENDTO(...) TRY(sendto, SYS_sendto, __VA_ARGS__)
#define TRY_SENDMSG(...) TRY(sendmsg, SYS_sendmsg, __VA_ARGS__)

// MARK: Receiving

COVER(SOCKETS, ssize_t, recvmsg, int descriptor, struct msghdr *message, int flags);
COVER(SOCKETS, ssize_t, recvfrom, int descriptor, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length);

/// As MSG_WAITALL has it: of a stream all that was asked for, unless it ends, fails or is interrupted. `count` are there.
static ssize_t receive_all(const void *stack, int descriptor, char *buffer, size_t size, int flags, size_t count) {
  flags &= ~MSG_WAITALL;
  while (count < size) {
    ssize_t more = COOPERATE(
        ssize_t, stack, descriptor, false,
        TRY_RECVFROM(descriptor, buffer + count, size - count, flags | MSG_DONTWAIT, NULL, NULL),
        NEXT(recvfrom)(descriptor, buffer + count, size - count, flags | MSG_WAITALL, NULL, NULL));
    if (more < 0) return count > 0 ? (ssize_t)count : -1;
    if (more == 0) break;
    count += (size_t)more;
  }
  return (ssize_t)count;
}

/// The same without taking it: each look begins at the same byte, so between two there is no readiness to wait for. (Of Unix
/// sockets Linux does not wait for more than the first part.)
static ssize_t peek_all(const void *stack, int descriptor, void *buffer, size_t size, int flags) {
  const uint64_t pause = 1000000;
  flags &= ~MSG_WAITALL;
  for (;;) {
    // Looked at first: what came before the end is then seen for certain.
    struct pollfd end = {.fd = descriptor, .events = POLLRDHUP};
    bool has_ended = poll(&end, 1, 0) > 0;
    ssize_t count = COOPERATE(
        ssize_t, stack, descriptor, false, TRY_RECVFROM(descriptor, buffer, size, flags | MSG_DONTWAIT, NULL, NULL),
        NEXT(recvfrom)(descriptor, buffer, size, flags | MSG_WAITALL, NULL, NULL));
    if (count <= 0 || (size_t)count == size || has_ended || is_local(descriptor)) return count;
    if (interpose_wait(stack, -1, false, interpose_after(pause), true) != SWIFTLET_FOREIGN_TIMED_OUT) return count;
  }
}

static inline __attribute__((always_inline)) ssize_t receive(
    const void *stack, int descriptor, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length) {
  if (!reaches_mark(stack, descriptor, flags)) return -1;
  if ((flags & MSG_WAITALL) && size > 0) {
    ssize_t count = TRY_RECVFROM(descriptor, buffer, size, (flags & ~MSG_WAITALL) | MSG_DONTWAIT, address, length);
    if (LIKELY(count == (ssize_t)size) || count == 0) return count;
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return count;
    if (is_stream(descriptor)) {
      if (interpose_is_nonblocking(descriptor)) return count;
      if (length) *length = 0;  // streams tell no address
      return flags & MSG_PEEK ? peek_all(stack, descriptor, buffer, size, flags)
                              : receive_all(stack, descriptor, buffer, size, flags, count < 0 ? 0 : (size_t)count);
    }
    if (count > 0) return count;
  }
  return COOPERATE(
      ssize_t, stack, descriptor, false,
      TRY_RECVFROM(descriptor, buffer, size, flags | MSG_DONTWAIT, address, length),
      NEXT(recvfrom)(descriptor, buffer, size, flags, address, length));
}

COVER(SOCKETS, ssize_t, recv, int descriptor, void *buffer, size_t size, int flags) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE))) return NEXT(recv)(descriptor, buffer, size, flags);
  return receive(stack, descriptor, buffer, size, flags, NULL, NULL);
}

ssize_t recvfrom(int descriptor, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)))
    return NEXT(recvfrom)(descriptor, buffer, size, flags, address, length);
  return receive(stack, descriptor, buffer, size, flags, address, length);
}

ssize_t recvmsg(int descriptor, struct msghdr *message, int flags) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE))) return NEXT(recvmsg)(descriptor, message, flags);
  if (!reaches_mark(stack, descriptor, flags)) return -1;
  int wanted = flags & ~MSG_WAITALL;
  ssize_t count = COOPERATE(
      ssize_t, stack, descriptor, false, TRY_RECVMSG(descriptor, message, wanted | MSG_DONTWAIT),
      NEXT(recvmsg)(descriptor, message, flags));
  if (!(flags & MSG_WAITALL) || (flags & MSG_PEEK) || count <= 0) return count;
  size_t total = (size_t)count, size = vectors_size(message->msg_iov, (int)message->msg_iovlen);
  if (LIKELY(total >= size) || !is_stream(descriptor) || interpose_is_nonblocking(descriptor)) return count;
  // The rest, piece by piece: ancillary data come with the first part, and end it.
  while (total < size && message->msg_controllen == 0) {
    struct iovec one;
    size_t skipped = total;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
      one = message->msg_iov[i];
      if (skipped < one.iov_len) break;
      skipped -= one.iov_len;
    }
    ssize_t more = receive_all(stack, descriptor, (char *)one.iov_base + skipped, one.iov_len - skipped, wanted, 0);
    if (more <= 0) break;
    total += (size_t)more;
  }
  return (ssize_t)total;
}

COVER(SOCKETS, int, recvmmsg, int descriptor, struct mmsghdr *messages, unsigned count, int flags, struct timespec *limit) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) || count == 0)
    return NEXT(recvmmsg)(descriptor, messages, count, flags, limit);
  if (limit && !interpose_is_valid(limit)) return NEXT(recvmmsg)(descriptor, messages, count, flags, limit);
  uint64_t end = limit ? interpose_after(interpose_nanoseconds(limit)) : UINT64_MAX;
  unsigned done = 0;
  while (done < count) {
    int more = COOPERATE(
        int, stack, descriptor, false,
        NEXT(recvmmsg)(descriptor, messages + done, count - done, (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT, NULL),
        NEXT(recvmmsg)(descriptor, messages + done, 1, flags, NULL));
    if (more < 0) {
      if (done == 0) return -1;
      break;
    }
    done += (unsigned)more;
    if (LIKELY(done == count) || (flags & MSG_WAITFORONE)) break;
    if (limit && interpose_now() >= end) break;  // looked at after each message only: recvmmsg(2)
    if (interpose_is_nonblocking(descriptor)) break;
  }
  if (limit) {
    uint64_t now = interpose_now(), left = end > now ? end - now : 0;
    *limit = (struct timespec){(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
  }
  return (int)done;
}

// MARK: Sending

COVER(SOCKETS, ssize_t, sendto, int descriptor, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length);

/// A blocking socket takes all of a stream's bytes before it returns; of a datagram there are no parts.
static ssize_t send_all(
    const void *stack, int descriptor, const char *buffer, size_t size, int flags, const struct sockaddr *address,
    socklen_t length, ssize_t first) {
  size_t done = first < 0 ? 0 : (size_t)first;
  if (first >= 0 && interpose_is_nonblocking(descriptor)) return first;
  if (first < 0) errno = EAGAIN;
  turn its_turn = {.stack = stack, .descriptor = descriptor, .for_writing = true};
  ssize_t count = first;
  while (done < size) {
    if (count < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) break;
      turn_outcome outcome = interpose_turn(&its_turn);
      if (outcome == TURN_FAILS) break;
      if (outcome == TURN_BLOCKS) {
        count = NEXT(sendto)(descriptor, buffer + done, size - done, flags, address, length);
        if (count > 0) done += (size_t)count;
        break;
      }
    }
    count = TRY_SENDTO(descriptor, buffer + done, size - done, flags | MSG_DONTWAIT, address, length);
    if (count >= 0) {
      done += (size_t)count;
      its_turn.rounds = 0;
    }
  }
  return done > 0 || count >= 0 ? (ssize_t)done : -1;
}

ssize_t sendto(
    int descriptor, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || (flags & MSG_DONTWAIT)) return NEXT(sendto)(descriptor, buffer, size, flags, address, length);
  ssize_t count = TRY_SENDTO(descriptor, buffer, size, flags | MSG_DONTWAIT, address, length);
  if (LIKELY(count == (ssize_t)size) || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) return count;
  return send_all(stack, descriptor, buffer, size, flags, address, length, count);
}

COVER(SOCKETS, ssize_t, send, int descriptor, const void *buffer, size_t size, int flags) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || (flags & MSG_DONTWAIT)) return NEXT(send)(descriptor, buffer, size, flags);
  ssize_t count = TRY_SENDTO(descriptor, buffer, size, flags | MSG_DONTWAIT, NULL, 0);
  if (LIKELY(count == (ssize_t)size) || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) return count;
  return send_all(stack, descriptor, buffer, size, flags, NULL, 0, count);
}

COVER(SOCKETS, ssize_t, sendmsg, int descriptor, const struct msghdr *message, int flags);

/// The rest of a stream's message, of which `done` bytes have been sent. Answers how many are sent in all.
static size_t send_rest(const void *stack, int descriptor, const struct msghdr *message, int flags, size_t done) {
  size_t size = vectors_size(message->msg_iov, (int)message->msg_iovlen);
  if (LIKELY(done >= size) || interpose_is_nonblocking(descriptor)) return done;
  struct iovec *rest = malloc(message->msg_iovlen * sizeof *rest);
  if (!rest) return done;
  while (done < size) {
    // Ancillary data went with the first part.
    struct msghdr part = {.msg_name = message->msg_name, .msg_namelen = message->msg_namelen, .msg_iov = rest};
    part.msg_iovlen = (size_t)vectors_rest(message->msg_iov, (int)message->msg_iovlen, done, rest);
    ssize_t count = COOPERATE(
        ssize_t, stack, descriptor, true, TRY_SENDMSG(descriptor, &part, flags | MSG_DONTWAIT),
        NEXT(sendmsg)(descriptor, &part, flags));
    if (count < 0) break;
    done += (size_t)count;
  }
  free(rest);
  return done;
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || (flags & MSG_DONTWAIT) || message->msg_iovlen > IOV_MAX) return NEXT(sendmsg)(descriptor, message, flags);
  ssize_t count = COOPERATE(
      ssize_t, stack, descriptor, true, TRY_SENDMSG(descriptor, message, flags | MSG_DONTWAIT),
      NEXT(sendmsg)(descriptor, message, flags));
  return count < 0 ? count : (ssize_t)send_rest(stack, descriptor, message, flags, (size_t)count);
}

COVER(SOCKETS, int, sendmmsg, int descriptor, struct mmsghdr *messages, unsigned count, int flags) {
  const void *stack = interpose_gate(SOCKETS);
  if (!stack || (flags & MSG_DONTWAIT) || count == 0) return NEXT(sendmmsg)(descriptor, messages, count, flags);
  if (count > IOV_MAX) count = IOV_MAX;
  int sent = NEXT(sendmmsg)(descriptor, messages, count, flags | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return sent;
  unsigned done = sent < 0 ? 0 : (unsigned)sent;
  // The kernel stops at the first of which only a part was sent.
  if (done > 0) {
    struct mmsghdr *last = &messages[done - 1];
    last->msg_len = (unsigned)send_rest(stack, descriptor, &last->msg_hdr, flags, last->msg_len);
  }
  if (LIKELY(done == count) || interpose_is_nonblocking(descriptor)) return sent;
  for (; done < count; done++) {
    ssize_t size = sendmsg(descriptor, &messages[done].msg_hdr, flags);
    if (size < 0) return done > 0 ? (int)done : -1;
    messages[done].msg_len = (unsigned)size;
  }
  return (int)count;
}

// MARK: Other names

COVER(SOCKETS, ssize_t, __recv_chk, int descriptor, void *buffer, size_t size, size_t room, int flags) {
  // A buffer that is too small is the program's end: libc's own function says so.
  if (size > room || !interpose_gate(SOCKETS)) return NEXT(__recv_chk)(descriptor, buffer, size, room, flags);
  return recv(descriptor, buffer, size, flags);
}
COVER(SOCKETS, ssize_t, __recvfrom_chk, int descriptor, void *buffer, size_t size, size_t room, int flags, struct sockaddr *address, socklen_t *length) {
  if (size > room || !interpose_gate(SOCKETS))
    return NEXT(__recvfrom_chk)(descriptor, buffer, size, room, flags, address, length);
  return recvfrom(descriptor, buffer, size, flags, address, length);
}
COVER(SOCKETS, ssize_t, __recv, int descriptor, void *buffer, size_t size, int flags) {
  return interpose_gate(SOCKETS) ? recv(descriptor, buffer, size, flags) : NEXT(__recv)(descriptor, buffer, size, flags);
}
COVER(SOCKETS, ssize_t, __send, int descriptor, const void *buffer, size_t size, int flags) {
  return interpose_gate(SOCKETS) ? send(descriptor, buffer, size, flags) : NEXT(__send)(descriptor, buffer, size, flags);
}
COVER(SOCKETS, int, __sendmmsg, int descriptor, struct mmsghdr *messages, unsigned count, int flags) {
  return interpose_gate(SOCKETS) ? sendmmsg(descriptor, messages, count, flags)
                                 : NEXT(__sendmmsg)(descriptor, messages, count, flags);
}
