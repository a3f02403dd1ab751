// System calls without libc's functions around them: in a process with threads those are points of cancellation, which costs as
// much as a short call itself. A sanitizer does not see them: what it has to know of goes through NEXT.
#ifndef SWIFTLET_SYSTEM_CALL_H
#define SWIFTLET_SYSTEM_CALL_H

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

/// As libc's `syscall`.
static inline __attribute__((always_inline)) long system_call(
    long number, long first, long second, long third, long fourth, long fifth, long sixth) {
#if defined(__x86_64__)
  register long tenth_register __asm__("r10") = fourth;
  register long eighth_register __asm__("r8") = fifth;
  register long ninth_register __asm__("r9") = sixth;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second), "d"(third), "r"(tenth_register), "r"(eighth_register),
                     "r"(ninth_register)
                   : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long which __asm__("x8") = number;
  register long result __asm__("x0") = first;
  register long argument_1 __asm__("x1") = second;
  register long argument_2 __asm__("x2") = third;
  register long argument_3 __asm__("x3") = fourth;
  register long argument_4 __asm__("x4") = fifth;
  register long argument_5 __asm__("x5") = sixth;
  __asm__ volatile("svc 0"
                   : "+r"(result)
                   : "r"(which), "r"(argument_1), "r"(argument_2), "r"(argument_3), "r"(argument_4), "r"(argument_5)
                   : "memory");
#endif
  if (__builtin_expect((unsigned long)result > -4096UL, 0)) {
    errno = (int)-result;
    return -1;
  }
  return result;
}

#define WITHOUT_WAITING 8  // RWF_NOWAIT

/// preadv2. `offset` -1: at the descriptor's own position.
static inline ssize_t system_readv(int descriptor, const struct iovec *vectors, int count, off_t offset, int flags) {
  return system_call(SYS_preadv2, descriptor, (long)vectors, count, (long)offset, (long)(offset >> 31 >> 1), flags);
}
/// pwritev2 at the descriptor's own position.
static inline ssize_t system_writev(int descriptor, const struct iovec *vectors, int count, int flags) {
  return system_call(SYS_pwritev2, descriptor, (long)vectors, count, -1, -1, flags);
}
static inline ssize_t system_receive(int descriptor, void *buffer, size_t size, int flags) {
  return system_call(SYS_recvfrom, descriptor, (long)buffer, (long)size, flags, 0, 0);
}
static inline ssize_t system_send(int descriptor, const void *buffer, size_t size, int flags) {
  return system_call(SYS_sendto, descriptor, (long)buffer, (long)size, flags, 0, 0);
}

/// poll says something of the descriptor now.
static inline bool system_is_ready(int descriptor, bool for_writing) {
  struct pollfd wanted = {.fd = descriptor, .events = for_writing ? POLLOUT : POLLIN};
#if defined(SYS_poll)
  return system_call(SYS_poll, (long)&wanted, 1, 0, 0, 0, 0) != 0;
#else
  struct timespec at_once = {0, 0};
  return system_call(SYS_ppoll, (long)&wanted, 1, (long)&at_once, 0, 8, 0) != 0;
#endif
}

#endif
