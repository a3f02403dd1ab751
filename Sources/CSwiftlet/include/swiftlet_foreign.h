// Waits of code that knows nothing of loops: blocking calls of libc, made cooperative by CInterpose.
//
// CInterpose is linked into the program, or loaded before it (LD_PRELOAD). In the second case it is another library than the
// one the loop is in, so the two meet through a table of functions, the host.
//
// A wait lies on the waiting stack. While it lasts it is in two lists: of the process by its key, so that who closes the
// descriptor or posts the semaphore finds it, from any thread; and of its thread, so that a signal ends it.
#ifndef SWIFTLET_FOREIGN_H
#define SWIFTLET_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// How a foreign wait ended.
enum {
  SWIFTLET_FOREIGN_READY = 0,
  SWIFTLET_FOREIGN_TIMED_OUT = 1,
  SWIFTLET_FOREIGN_CANCELLED = 2,    // the fiber, the task or a scope around the call
  SWIFTLET_FOREIGN_CLOSED = 3,       // its descriptor was closed
  SWIFTLET_FOREIGN_INTERRUPTED = 4,  // by a signal's handler
  SWIFTLET_FOREIGN_REFUSED = 5,      // it cannot be waited for here: the call must block
};

typedef struct swiftlet_foreign_wait {
  uint64_t key;             // a descriptor, or an address with SWIFTLET_FOREIGN_ADDRESS; SWIFTLET_FOREIGN_NO_KEY
  bool is_descriptor;       // waits until the descriptor is ready
  bool for_writing;
  bool restarts;            // as the kernel restarts some calls: only handlers without SA_RESTART end it
  bool is_signal_proof;     // no handler ends it
  bool is_shielded;         // nor a cancellation
  void (*begun)(void *argument);  // called once it can be woken, before the stack is set aside; or NULL
  void *argument;
  uint64_t deadline;        // nanoseconds of CLOCK_MONOTONIC; UINT64_MAX: none
  // Written while it lasts, under the list's lock or by its own thread:
  bool is_closed, is_woken, is_interrupted;
  uint16_t told;            // READY: what the kernel has told of the descriptor, by poll's bits; 0: nothing
  void *thread, *context;   // whom to wake: a swiftlet_wait
  uint64_t id;
  struct swiftlet_foreign_wait *next, *previous;      // of the same bucket
  struct swiftlet_foreign_wait *earlier, *later;      // of the same thread
} swiftlet_foreign_wait;

/// How to wake.
enum {
  SWIFTLET_WAKE_READY = 0,
  SWIFTLET_WAKE_CLOSED = 1,
  /// From what may be a signal's handler: one that cannot be told without waiting for a lock is passed over.
  SWIFTLET_WAKE_IF_POSSIBLE = 2,
};

#define SWIFTLET_FOREIGN_ADDRESS (UINT64_C(1) << 63)
#define SWIFTLET_FOREIGN_NO_KEY UINT64_MAX

/// What CInterpose needs of the loop. Filled in by the library; never changed afterwards.
typedef struct swiftlet_foreign_host {
  size_t size;
  /// The end (highest address) of the running stack, if it may be set aside at this point; else NULL.
  const void *(*stack)(void);
  /// Parks until the wait is over. Answers one of the outcomes above.
  int (*wait)(swiftlet_foreign_wait *wait);
  /// Wakes waits for a key: at most so many. Answers how many. From any thread.
  int (*wake)(uint64_t key, int most, int manner);
  /// Somebody waits for a key, or did a moment ago. From any thread, in a signal handler too.
  bool (*has_waits)(void);
  /// Runs `work` on another thread and parks until it has returned. CANCELLED: it still runs. `is_shielded`: never that.
  int (*offload)(void (*work)(void *argument), void *argument, bool is_long, bool is_shielded);
  /// Tells stacks apart: who holds what.
  const void *(*context)(void);
  /// Tells people of something, as the library's other reports.
  void (*report)(const char *message);
} swiftlet_foreign_host;

const void *swiftlet_foreign_stack(void);
const void *swiftlet_foreign_context(void);
bool swiftlet_foreign_has_waits(void);
int swiftlet_foreign_wake(uint64_t key, int most, int manner);

/// Puts a begun wait into the lists; takes it out.
void swiftlet_foreign_enlist(swiftlet_foreign_wait *wait);
void swiftlet_foreign_withdraw(swiftlet_foreign_wait *wait);

/// A signal's handler has run while this thread's loop slept: ends the wait that began last, as the kernel would end the
/// call that the thread is in.
void swiftlet_foreign_interrupt(void);

/// In the child of a fork: there are no waits, and the calling stack is the thread's own.
void swiftlet_foreign_forget_all(void);

/// The interposing library that was loaded before the program, if there is one, gets to know the host.
void swiftlet_foreign_announce(const swiftlet_foreign_host *host);

#endif
