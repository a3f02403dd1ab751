#include "interpose.h"

#include "descriptors.h"
#include "system_call.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

unsigned interpose_families;
const host_table *interpose_host;

extern const swiftlet_covered __start_swiftlet_covered[], __stop_swiftlet_covered[];

static long missing(void) {
  errno = ENOSYS;
  return -1;
}

#if defined(__x86_64__)
#define FIRST_VERSION "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FIRST_VERSION "GLIBC_2.17"
#endif

void *interpose_original(const swiftlet_covered *covered) {
  // A sanitizer's definition has the same name in the same file, only weaker, and wants to see the call.
  void *found = (void *)covered->sanitizer;
  // Condition variables have an old form too, which a lookup without a version finds first.
  if (!found && strncmp(covered->name, "pthread_cond_", 13) == 0) found = dlvsym(RTLD_NEXT, covered->name, "GLIBC_2.3.2");
  if (!found) found = dlsym(RTLD_NEXT, covered->name);
  // Names that are kept for old programs only are found with their version only (__pthread_mutex_lock).
  if (!found) found = dlvsym(RTLD_NEXT, covered->name, FIRST_VERSION);
  return found;
}

void interpose_find(const swiftlet_covered *covered) {
  void *found = interpose_original(covered);
  if (!found) found = (void *)missing;
  __atomic_store_n(covered->next, found, __ATOMIC_RELEASE);
}

__attribute__((constructor(101))) static void find_all(void) {
  for (const swiftlet_covered *covered = __start_swiftlet_covered; covered < __stop_swiftlet_covered; covered++)
    if (!*covered->next) interpose_find(covered);
}

size_t swiftlet_interpose_count(void) { return (size_t)(__stop_swiftlet_covered - __start_swiftlet_covered); }
const swiftlet_covered *swiftlet_interpose_covered(size_t index) { return &__start_swiftlet_covered[index]; }
unsigned swiftlet_interpose_families(void) { return __atomic_load_n(&interpose_families, __ATOMIC_RELAXED); }

static const void *signal_return;

bool swiftlet_interpose_attach(const void *table, unsigned families) {
  const host_table *host = table;
  if (host->size != sizeof *host) return false;
#if defined(__x86_64__)
  // The kernel's own record of an action has what glibc has put there as the handler's return address.
  struct {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
  } action;
  for (int signal = 1; signal < 32 && !signal_return; signal++) {
    if (syscall(SYS_rt_sigaction, signal, NULL, &action, sizeof action.mask) == 0 && (action.flags & 0x04000000))
      signal_return = action.restorer;
  }
#endif
  if (__atomic_load_n(&interpose_host, __ATOMIC_ACQUIRE) != host) __atomic_store_n(&interpose_host, host, __ATOMIC_RELEASE);
  if (families) families |= SWIFTLET_FAMILY_ALWAYS;
  // Numbers that were given up while nobody looked.
  if (families && !swiftlet_interpose_families()) interpose_forget_all();
  __atomic_store_n(&interpose_families, families, __ATOMIC_RELEASE);
  return true;
}

bool swiftlet_interpose_preloaded(const void *host) {
  const char *wanted = getenv("SWIFTLET_INTERPOSE");
  if (!wanted) return false;
  unsigned families = strcmp(wanted, "all") == 0 ? SWIFTLET_FAMILY_ALWAYS - 1 : (unsigned)strtoul(wanted, NULL, 0);
  return swiftlet_interpose_attach(host, families);
}

// MARK: Waiting

// A handler without SA_ONSTACK runs on the stack that it has interrupted. The kernel's frame of it begins with the address
// that the handler returns to, and holds the interrupted stack pointer.
__attribute__((no_sanitize("address", "thread"), noinline))
bool interpose_in_signal_handler(const void *stack) {
#if defined(__x86_64__)
  if (!signal_return) return false;
  const char *top = stack;
  for (const void *const *word = __builtin_frame_address(0); (const char *)word < top; word++) {
    if (*word != signal_return) continue;
    const ucontext_t *context = (const ucontext_t *)(word + 1);
    if ((const char *)(context + 1) > top) return false;
    const char *interrupted = (const char *)context->uc_mcontext.gregs[REG_RSP];
    if (interrupted > (const char *)context && interrupted <= top) return true;
  }
#else
  (void)stack;  // the frame of such a handler cannot be told here; those on a signal stack are (swiftlet_foreign_stack)
#endif
  return false;
}

bool interpose_is_nonblocking(int descriptor) {
  int flags = (int)system_call(SYS_fcntl, descriptor, F_GETFL, 0, 0, 0, 0);
  return flags < 0 || (flags & O_NONBLOCK);
}

int interpose_errno(int outcome) {
  switch (outcome) {
    case SWIFTLET_FOREIGN_TIMED_OUT: return EAGAIN;
    case SWIFTLET_FOREIGN_CANCELLED: return ECANCELED;
    case SWIFTLET_FOREIGN_CLOSED: return EBADF;
    case SWIFTLET_FOREIGN_INTERRUPTED: return EINTR;
    default: return 0;
  }
}

static int wait_for(
    const void *stack, int descriptor, bool for_writing, uint64_t deadline, bool restarts, short *told) {
  if (interpose_in_signal_handler(stack)) return SWIFTLET_FOREIGN_REFUSED;
  swiftlet_foreign_wait wait = {.key = descriptor < 0 ? SWIFTLET_FOREIGN_NO_KEY : (uint64_t)descriptor,
                                .is_descriptor = descriptor >= 0,
                                .for_writing = for_writing,
                                .restarts = restarts,
                                .deadline = deadline};
  int outcome = interpose_host->wait(&wait);
  *told = outcome == SWIFTLET_FOREIGN_READY ? (short)wait.told : 0;
  return outcome;
}

int interpose_wait(const void *stack, int descriptor, bool for_writing, uint64_t deadline, bool restarts) {
  short told;
  return wait_for(stack, descriptor, for_writing, deadline, restarts, &told);
}

int interpose_wait_told(const void *stack, int descriptor, bool for_writing, uint64_t deadline, short *told) {
  return wait_for(stack, descriptor, for_writing, deadline, false, told);
}

int interpose_wait_key(const void *stack, const void *address, uint64_t deadline) {
  if (interpose_in_signal_handler(stack)) return SWIFTLET_FOREIGN_REFUSED;
  swiftlet_foreign_wait wait = {.key = interpose_key(address), .deadline = deadline, .restarts = true};
  return interpose_host->wait(&wait);
}

int interpose_wait_key_shielded(
    const void *stack, const void *address, uint64_t deadline, void (*begun)(void *), void *argument) {
  if (interpose_in_signal_handler(stack)) return SWIFTLET_FOREIGN_REFUSED;
  swiftlet_foreign_wait wait = {.key = interpose_key(address), .deadline = deadline, .is_signal_proof = true,
                                .is_shielded = true, .begun = begun, .argument = argument};
  return interpose_host->wait(&wait);
}

int interpose_offload(const void *stack, void (*work)(void *), void *argument, bool is_long, bool is_shielded) {
  if (interpose_in_signal_handler(stack)) return SWIFTLET_FOREIGN_REFUSED;
  return interpose_host->offload(work, argument, is_long, is_shielded);
}

static uint64_t deadline_of(int descriptor, bool for_writing) {
  struct timeval limit = {0};
  socklen_t size = sizeof limit;
  if (getsockopt(descriptor, SOL_SOCKET, for_writing ? SO_SNDTIMEO : SO_RCVTIMEO, &limit, &size) != 0) return UINT64_MAX;
  if (limit.tv_sec == 0 && limit.tv_usec == 0) return UINT64_MAX;
  return interpose_after((uint64_t)limit.tv_sec * 1000000000u + (uint64_t)limit.tv_usec * 1000u);
}

turn_outcome interpose_turn(turn *turn) {
  // Some are told to be ready and refuse all the same, such as a datagram socket whose peer's queue is full.
  enum { ROUNDS_WITHOUT_PAUSE = 4 };
  const uint64_t pause = 1000000;
  if (!turn->has_begun) {
    if (interpose_is_nonblocking(turn->descriptor)) {
      errno = EAGAIN;
      return TURN_FAILS;
    }
    turn->has_begun = true;
    turn->deadline = deadline_of(turn->descriptor, turn->for_writing);
  }
  int outcome;
  if (++turn->rounds > ROUNDS_WITHOUT_PAUSE) {
    uint64_t next = interpose_after(pause);
    outcome = interpose_wait(turn->stack, -1, false, next < turn->deadline ? next : turn->deadline, true);
    if (outcome == SWIFTLET_FOREIGN_TIMED_OUT && next < turn->deadline) outcome = SWIFTLET_FOREIGN_READY;
    if (outcome != SWIFTLET_FOREIGN_READY && outcome != SWIFTLET_FOREIGN_REFUSED) {
      errno = interpose_errno(outcome);
      return TURN_FAILS;
    }
  }
  // With a time limit the kernel restarts nothing (signal(7)).
  outcome =
      interpose_wait(turn->stack, turn->descriptor, turn->for_writing, turn->deadline, turn->deadline == UINT64_MAX);
  if (outcome == SWIFTLET_FOREIGN_READY) return TURN_AGAIN;
  if (outcome == SWIFTLET_FOREIGN_REFUSED) return TURN_BLOCKS;
  errno = interpose_errno(outcome);
  return TURN_FAILS;
}
