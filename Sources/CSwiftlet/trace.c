#define _GNU_SOURCE
#include "swiftlet_trace.h"

#include "swiftlet_context.h"
#include "swiftlet_stack.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

swiftlet_trace *swiftlet_trace_make(size_t count) {
  swiftlet_trace *trace = calloc(1, sizeof *trace);
  if (!trace) return NULL;
  void *events = mmap(NULL, count * sizeof *trace->events, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (events == MAP_FAILED) {
    free(trace);
    return NULL;
  }
  trace->events = events;
  trace->mask = count - 1;
  return trace;
}

// What runs on a stack entered from a fiber's is that fiber's time.
static void count_time(swiftlet_trace *trace, uint32_t kind, uint64_t subject, uint64_t now) {
  swiftlet_context *running = trace->running;
  switch (kind) {
    case SWIFTLET_TRACE_START:
    case SWIFTLET_TRACE_JOB:
    case SWIFTLET_TRACE_RESUME:
      running = swiftlet_flow_of((swiftlet_context *)(uintptr_t)subject);
      if (running->timed_run != running->run) {
        running->run_time = 0;
        running->timed_run = running->run;
      }
      trace->running_since = now;
      __atomic_store_n(&trace->running, running, __ATOMIC_RELEASE);
      break;
    case SWIFTLET_TRACE_PARK:
    case SWIFTLET_TRACE_END:
    case SWIFTLET_TRACE_JOB_END:
      if (running && running->timed_run == running->run) running->run_time += now - trace->running_since;
      __atomic_store_n(&trace->running, NULL, __ATOMIC_RELEASE);
      break;
  }
}

// Out of line: the code around the test for a trace stays small.
void swiftlet_trace_note(swiftlet_trace *trace, uint32_t kind, uint64_t subject, uint64_t object, uint64_t number,
                         uint32_t detail) {
  // The real clock, also in a simulation: it is the trace's own.
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  uint64_t now = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
  if (__atomic_load_n(&trace->counts_time, __ATOMIC_RELAXED)) count_time(trace, kind, subject, now);
  if (!__atomic_load_n(&trace->records, __ATOMIC_RELAXED)) return;
  uint64_t place = __atomic_load_n(&trace->written, __ATOMIC_RELAXED);
  if (place - __atomic_load_n(&trace->taken, __ATOMIC_ACQUIRE) > trace->mask) {
    __atomic_store_n(&trace->lost, __atomic_load_n(&trace->lost, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    return;
  }
  trace->events[place & trace->mask] = (swiftlet_trace_event){now, subject, object, number, kind, detail};
  __atomic_store_n(&trace->written, place + 1, __ATOMIC_RELEASE);
}

size_t swiftlet_trace_take(swiftlet_trace *trace, swiftlet_trace_event *events, size_t capacity) {
  uint64_t taken = __atomic_load_n(&trace->taken, __ATOMIC_RELAXED);
  uint64_t written = __atomic_load_n(&trace->written, __ATOMIC_ACQUIRE);
  size_t count = written - taken < capacity ? (size_t)(written - taken) : capacity;
  for (size_t i = 0; i < count; i++) events[i] = trace->events[(taken + i) & trace->mask];
  __atomic_store_n(&trace->taken, taken + count, __ATOMIC_RELEASE);
  return count;
}
