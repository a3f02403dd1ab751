// CInterpose: defines libc's blocking calls in the program, or in a library loaded before it, so that they park only the
// coroutine that makes them. Until `swiftlet_interpose_attach` each is libc's own call behind one comparison.
//
// It stands alone: of the loop it knows a table of functions (swiftlet_foreign.h in CSwiftlet).
#ifndef SWIFTLET_CINTERPOSE_H
#define SWIFTLET_CINTERPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What can be made cooperative by itself.
enum {
  SWIFTLET_FAMILY_STREAMS = 1 << 0,     // read, write and their kin
  SWIFTLET_FAMILY_SOCKETS = 1 << 1,     // recv, send, connect, accept and their kin
  SWIFTLET_FAMILY_POLLING = 1 << 2,     // poll, select, epoll_wait and their kin
  SWIFTLET_FAMILY_SLEEPING = 1 << 3,    // sleep, nanosleep and their kin
  SWIFTLET_FAMILY_NAMES = 1 << 4,       // getaddrinfo and its kin
  SWIFTLET_FAMILY_PROCESSES = 1 << 5,   // waitpid and its kin
  SWIFTLET_FAMILY_LOCKS = 1 << 6,       // flock, blocking record locks
  SWIFTLET_FAMILY_SEMAPHORES = 1 << 7,  // sem_wait and its kin
  SWIFTLET_FAMILY_FILES = 1 << 8,       // reading what is not in the page cache, fsync
  SWIFTLET_FAMILY_THREADS = 1 << 9,     // pthread mutexes, condition variables, pthread_join
  SWIFTLET_FAMILY_ALWAYS = 1 << 10,     // close, dup2 and exit: whatever else is covered
};

/// From now on calls of these families park when they are made on a stack that may. 0 ends it; calls that are parked stay
/// parked. `host` is a swiftlet_foreign_host. False: the table is not the one this library was built for.
bool swiftlet_interpose_attach(const void *host, unsigned families);
/// The families in force.
unsigned swiftlet_interpose_families(void);
/// `attach` with the families that the environment's SWIFTLET_INTERPOSE names: a number, or "all". For the library that is
/// loaded before the program.
bool swiftlet_interpose_preloaded(const void *host);

/// One name of libc that is defined here.
typedef struct swiftlet_covered {
  const char *name;
  unsigned family;
  const void *address;   // ours
  void **next;           // where libc's own is kept
  const void *sanitizer; // a sanitizer's definition, which comes between; or NULL
} swiftlet_covered;

size_t swiftlet_interpose_count(void);
const swiftlet_covered *swiftlet_interpose_covered(size_t index);

/// How a covered name is bound.
enum {
  SWIFTLET_BOUND = 0,        // to this library, from everywhere
  SWIFTLET_NOT_FIRST = 1,    // another library's definition comes first
  SWIFTLET_NO_ORIGINAL = 2,  // libc does not have it
  SWIFTLET_BYPASSED = 3,     // some library is bound to another definition
};

/// Looks how the dynamic linker has bound a name: by its lookup, and in the tables of every loaded library. `who` gets the
/// path of the library that bypasses or precedes this one.
int swiftlet_interpose_binding(const swiftlet_covered *covered, char *who, size_t capacity);

/// The program has a dynamic linker to ask at all.
bool swiftlet_interpose_is_dynamic(void);

#endif
