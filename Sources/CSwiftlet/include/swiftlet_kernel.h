// Kernel calls that Glibc's Swift module does not declare, and constants that are macros it cannot import.
// Every failing call leaves errno for the caller.
#ifndef SWIFTLET_KERNEL_H
#define SWIFTLET_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <netdb.h>
#include <time.h>

typedef struct swiftlet_poll_event {
  uint64_t tag;
  bool is_readable, is_writable;   // an error or a hang-up makes both true: the next call on it tells
  bool has_ended;                  // the peer has closed or reset: no further edge will come for reading
  bool is_lost;                    // the connection is broken, or ended in both directions
  uint16_t told;                   // the kernel's own bits, which are those of poll
} swiftlet_poll_event;

// Opens a file or directory for reading, without blocking, that lies under a directory: neither ".." nor a symbolic link
// leads out of it. The path is relative. Answers the descriptor, or -1 with errno.
int swiftlet_open_beneath(const char *directory, const char *path);

int swiftlet_poller_make(void);
/// Edge-triggered on one side or both. `is_new` false: re-arms, which reports the present readiness again.
int swiftlet_poller_watch(int poller, int descriptor, uint64_t tag, bool reads, bool writes, bool is_new);
/// Level-triggered, readable side only: for the loop's own wake-up descriptor.
int swiftlet_poller_watch_level(int poller, int descriptor, uint64_t tag);
int swiftlet_poller_forget(int poller, int descriptor);
/// Waits at most `timeout` nanoseconds, for ever if negative. -1 with EINTR is an ordinary answer.
int swiftlet_poller_wait(int poller, swiftlet_poll_event *events, int capacity, int64_t timeout);

/// Blocks this thread until the descriptor is ready; 0 on timeout. `timeout` in nanoseconds, negative: for ever.
int swiftlet_wait_ready(int descriptor, bool for_writing, int64_t timeout);

/// What the clock says to this thread while it is simulated; else 0.
extern __thread uint64_t swiftlet_simulated_now;
static inline void swiftlet_simulate_now(uint64_t now) { swiftlet_simulated_now = now; }

/// Nanoseconds of CLOCK_MONOTONIC.
static inline uint64_t swiftlet_now(void) {
  if (__builtin_expect(swiftlet_simulated_now != 0, 0)) return swiftlet_simulated_now;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int swiftlet_thread_id(void);
/// How many threads this process has; 0 when the kernel does not tell.
int swiftlet_thread_count(void);
/// Whether any other thread of the process runs, waits for a processor, or for the disk.
bool swiftlet_other_threads_work(void);
/// Some signal that tells a program of something has a handler of the program's.
bool swiftlet_catches_signals(void);
int swiftlet_process_id(void);
/// How many processors this process may run on.
int swiftlet_available_processors(void);
int swiftlet_signal_thread(int kernel_id, int signal);
void swiftlet_thread_name(const char *name);
/// The calling thread's name, NUL-terminated; empty when it has none.
void swiftlet_thread_get_name(char *name, size_t capacity);

/// Raises the soft limit of open descriptors to the hard one; answers the limit in force.
size_t swiftlet_raise_descriptor_limit(void);

/// Lets the allocator keep memory at the top of its heap instead of giving it back at once, unless the environment
/// says otherwise. Batches of a thousand tasks otherwise cost three times as much, in page faults.
void swiftlet_keep_heap(void);

/// How many bytes of the heap are in use, in all of the allocator's arenas.
size_t swiftlet_heap_in_use(void);

/// Set while the watchdog sleeps because every loop does: a loop that wakes up then wakes it.
extern int swiftlet_watchdog_naps;
static inline bool swiftlet_watchdog_is_napping(void) { return __atomic_load_n(&swiftlet_watchdog_naps, __ATOMIC_SEQ_CST); }
static inline void swiftlet_watchdog_set_napping(bool naps) { __atomic_store_n(&swiftlet_watchdog_naps, naps, __ATOMIC_SEQ_CST); }

/// Where the wanted bytes begin; NULL if they do not occur.
const void *swiftlet_find(const void *bytes, size_t size, const void *wanted, size_t wanted_size);

int swiftlet_errno(void);
void swiftlet_set_errno(int value);

#endif
