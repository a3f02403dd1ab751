// Reading the memory of coroutines from a thread that is not theirs, without stopping anybody.
//
// Reads go through the kernel: memory that has gone meanwhile is an answer and no fault. What was read is true if a number
// that is never used twice, such as a wait's, was there before and after; see Inspection/README in the loop.
#ifndef SWIFTLET_PEEK_H
#define SWIFTLET_PEEK_H

#include "swiftlet_context.h"

typedef struct swiftlet_peek_request {
  void *to;
  const void *from;
  size_t size;
  size_t done;               // bytes that could be read
} swiftlet_peek_request;

/// Copies so many bytes of this process; answers how many it could.
size_t swiftlet_peek(void *to, const void *from, size_t size);

/// The same for many at a time.
void swiftlet_peek_many(swiftlet_peek_request *requests, size_t count);

/// Where stacks lie.
typedef struct swiftlet_slab {
  char *low;
  size_t slot_size, used;
} swiftlet_slab;

/// The slabs of all threads; answers how many there are, of which at most `capacity` were stored.
size_t swiftlet_stack_slabs(swiftlet_slab *slabs, size_t capacity);

/// Where the context of a slot lies.
swiftlet_context *swiftlet_stack_context_at(const swiftlet_slab *slab, size_t index);

/// How much of each used slot has ever been touched, in bytes, by pages; 0 when unknown. One call to the kernel.
void swiftlet_stack_touched(const swiftlet_slab *slab, uint32_t *touched);

/// What a thread does at this moment.
typedef struct swiftlet_thread_look {
  char state;                // of /proc: R runs, S sleeps, D waits for a disk, T is stopped; 0 unknown
  int system_call;           // which it is in, -1 if none
  uint64_t argument;         // its first
  void *program_counter, *stack_pointer;  // NULL unless it stands in a call to the kernel
  uint64_t processor_time;   // nanoseconds
} swiftlet_thread_look;

/// Looks without disturbing it.
swiftlet_thread_look swiftlet_thread_look_at(int kernel_id);

/// The name of a thread of this process, empty if it has gone.
void swiftlet_thread_name_of(int kernel_id, char *name, size_t capacity);

/// The name of a call to the kernel by its number, NULL if it is not known here.
const char *swiftlet_system_call_name(int number);

#endif
