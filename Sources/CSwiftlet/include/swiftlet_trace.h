// What a loop notes while somebody records it, or wants to know for how long each coroutine has run. A ring of records that the
// loop's thread writes and one other thread reads.
// Off, it costs one test of a pointer that lies beside what is used anyway.
#ifndef SWIFTLET_TRACE_H
#define SWIFTLET_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  SWIFTLET_TRACE_SPAWN = 1,    // a fiber was made: subject its object, object its place, detail its line, number its spawner's
  SWIFTLET_TRACE_START = 2,    // a fiber begins on a stack: subject the stack, number its own, object the fiber
  SWIFTLET_TRACE_END = 3,      // it has ended
  SWIFTLET_TRACE_PARK = 4,     // subject the stack, object what it waits for, detail the kind of the wait
  SWIFTLET_TRACE_RESUME = 5,
  SWIFTLET_TRACE_READY = 6,    // its wait was decided: detail how
  SWIFTLET_TRACE_JOB = 7,      // a task's job begins on a stack: object the task
  SWIFTLET_TRACE_JOB_END = 8,
  SWIFTLET_TRACE_SLEEP = 9,    // nothing is ready
  SWIFTLET_TRACE_AWAKE = 10,
  SWIFTLET_TRACE_NAME = 11,    // follows START: the first bytes of the fiber's name, in subject, object and number
};

typedef struct swiftlet_trace_event {
  uint64_t time;               // nanoseconds of CLOCK_MONOTONIC
  uint64_t subject, object, number;
  uint32_t kind, detail;
} swiftlet_trace_event;

typedef struct swiftlet_trace {
  swiftlet_trace_event *events;
  uint64_t mask;
  uint64_t written, taken;     // counted for ever
  uint64_t lost;               // there was no room
  bool records, counts_time;   // set by other threads
  void *running;               // the context whose time is being counted, and since when
  uint64_t running_since;
} swiftlet_trace;

/// Makes a ring of so many records, a power of two.
swiftlet_trace *swiftlet_trace_make(size_t count);

/// Notes one; on the loop's thread.
void swiftlet_trace_note(swiftlet_trace *trace, uint32_t kind, uint64_t subject, uint64_t object, uint64_t number,
                         uint32_t detail);

static inline void swiftlet_trace_set(swiftlet_trace *trace, bool records, bool counts_time) {
  __atomic_store_n(&trace->records, records, __ATOMIC_RELAXED);
  __atomic_store_n(&trace->counts_time, counts_time, __ATOMIC_RELAXED);
}

/// Takes some out; on the reader's thread. Answers how many.
size_t swiftlet_trace_take(swiftlet_trace *trace, swiftlet_trace_event *events, size_t capacity);

#endif
