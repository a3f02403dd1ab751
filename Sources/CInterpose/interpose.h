// What the covered calls share: the gate that each passes, and the turn that one takes which would have blocked.
#ifndef SWIFTLET_INTERPOSE_H
#define SWIFTLET_INTERPOSE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
// The fortified names and those of large files are defined here too: no macro may stand for another.
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "../CSwiftlet/include/swiftlet_foreign.h"
#include "CInterpose.h"

typedef swiftlet_foreign_host host_table;

/// The families in force; 0 until somebody asks for them.
extern unsigned interpose_families __attribute__((visibility("hidden")));
extern const host_table *interpose_host __attribute__((visibility("hidden")));

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/// The loop's record of this thread, in CSwiftlet: NULL on threads that have none, whose calls end here. A library that is loaded
/// before the program finds no such variable, and looks at the word behind the thread's pointer instead, which is never NULL:
/// then the host is asked.
extern __thread void *swiftlet_this_thread __attribute__((weak, tls_model("initial-exec")));

/// The end of the running stack, if a call of this family may park here.
static inline __attribute__((always_inline)) const void *interpose_gate(unsigned family) {
  if (!(__atomic_load_n(&interpose_families, __ATOMIC_ACQUIRE) & family)) return NULL;
  return swiftlet_this_thread ? interpose_host->stack() : NULL;
}

/// Declares a covered call: `next_NAME` is what lies behind it, libc's own or a sanitizer's.
#define COVER(family, result, name, ...)                                                                  \
  static result (*next_##name)(__VA_ARGS__);                                                              \
  extern result __interceptor_##name(__VA_ARGS__) __attribute__((weak));                                  \
  result name(__VA_ARGS__);                                                                               \
  static const swiftlet_covered covered_##name __attribute__((used, section("swiftlet_covered"), aligned(8))) = { \
      #name, family, (const void *)&name, (void **)&next_##name, (const void *)&__interceptor_##name};     \
  __attribute__((visibility("default"))) result name(__VA_ARGS__)

/// Calls what lies behind a covered call. Before this library's constructor has run it is found here.
#define NEXT(name) (LIKELY(next_##name) ? next_##name : (interpose_find(&covered_##name), next_##name))

void interpose_find(const swiftlet_covered *covered);
/// What lies behind a name, or NULL.
void *interpose_original(const swiftlet_covered *covered);

// MARK: Waiting

/// What to do after a call that would have blocked.
typedef enum { TURN_AGAIN, TURN_FAILS, TURN_BLOCKS } turn_outcome;

/// A call that waits for a descriptor, from its first refusal on.
typedef struct {
  const void *stack;
  int descriptor;
  bool for_writing, has_begun;
  unsigned rounds;
  uint64_t deadline;
} turn;

/// After EAGAIN: waits until the call is worth another try. TURN_FAILS: errno says why. TURN_BLOCKS: it must block.
turn_outcome interpose_turn(turn *turn);

/// Repeats `attempt`, an expression that never blocks, until it has a result or the turn ends; `blocking` is the call that may.
#define COOPERATE(type, stack_end, number, writes, attempt, blocking)                            \
  ({                                                                                             \
    turn its_turn = {.stack = (stack_end), .descriptor = (number), .for_writing = (writes)};     \
    type its_result;                                                                             \
    for (;;) {                                                                                   \
      its_result = (attempt);                                                                    \
      if (LIKELY(its_result >= 0) || (errno != EAGAIN && errno != EWOULDBLOCK)) break;           \
      turn_outcome its_outcome = interpose_turn(&its_turn);                                      \
      if (its_outcome == TURN_AGAIN) continue;                                                   \
      if (its_outcome == TURN_BLOCKS) its_result = (blocking);                                   \
      break;                                                                                     \
    }                                                                                            \
    its_result;                                                                                  \
  })

/// Waits for a descriptor, or with -1 for the deadline only. Answers a SWIFTLET_FOREIGN outcome.
int interpose_wait(const void *stack, int descriptor, bool for_writing, uint64_t deadline, bool restarts);
/// The same as poll waits. `told`, if READY: what the kernel has told of the descriptor meanwhile; 0: nothing.
int interpose_wait_told(const void *stack, int descriptor, bool for_writing, uint64_t deadline, short *told);
/// Waits for a key, an address in memory, until somebody wakes it.
int interpose_wait_key(const void *stack, const void *address, uint64_t deadline);
/// The same for what nothing else may end. `begun` runs once it can be woken.
int interpose_wait_key_shielded(
    const void *stack, const void *address, uint64_t deadline, void (*begun)(void *), void *argument);
static inline uint64_t interpose_key(const void *address) {
  return (uint64_t)(uintptr_t)address | SWIFTLET_FOREIGN_ADDRESS;
}
/// Runs work on another thread while this stack is parked.
int interpose_offload(const void *stack, void (*work)(void *), void *argument, bool is_long, bool is_shielded);

/// errno for an outcome that ends a call.
int interpose_errno(int outcome);

/// The caller runs in a signal handler on this stack: it must not be set aside.
bool interpose_in_signal_handler(const void *stack);

/// Its owner has made the descriptor non-blocking, or it is none.
bool interpose_is_nonblocking(int descriptor);

static inline uint64_t interpose_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t interpose_after(uint64_t nanoseconds) {
  uint64_t end;
  return __builtin_add_overflow(interpose_now(), nanoseconds, &end) ? UINT64_MAX : end;
}

/// Nanoseconds of a valid time; UINT64_MAX for very long ones.
static inline uint64_t interpose_nanoseconds(const struct timespec *time) {
  uint64_t total;
  if (__builtin_mul_overflow((uint64_t)time->tv_sec, UINT64_C(1000000000), &total)) return UINT64_MAX;
  return __builtin_add_overflow(total, (uint64_t)time->tv_nsec, &total) ? UINT64_MAX : total;
}

static inline bool interpose_is_valid(const struct timespec *time) {
  return time && time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < 1000000000;
}

#endif
