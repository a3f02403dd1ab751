// The loop's queues. In C because a Swift array pays an exclusivity check and a reference count a turn.
#ifndef SWIFTLET_QUEUE_H
#define SWIFTLET_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/// Another size for an array, its contents kept; zero bytes frees it. Ends the process when there is no memory.
void *swiftlet_array_resize(void *array, size_t bytes, size_t wanted);

/// A growing FIFO ring of words; one thread.
typedef struct swiftlet_ring {
  uint64_t *items;
  uint32_t head, tail, mask;
} swiftlet_ring;

void swiftlet_ring_initialize(swiftlet_ring *ring);
void swiftlet_ring_destroy(swiftlet_ring *ring);
void swiftlet_ring_grow(swiftlet_ring *ring);
/// Gives back what a burst has made it grow to, if it is empty.
void swiftlet_ring_trim(swiftlet_ring *ring);

static inline uint32_t swiftlet_ring_count(const swiftlet_ring *ring) { return ring->tail - ring->head; }

static inline void swiftlet_ring_push(swiftlet_ring *ring, uint64_t item) {
  if (__builtin_expect(ring->tail - ring->head > ring->mask, 0)) swiftlet_ring_grow(ring);
  ring->items[ring->tail++ & ring->mask] = item;
}

/// Zero when empty; no item is zero.
static inline uint64_t swiftlet_ring_pop(swiftlet_ring *ring) {
  return ring->head == ring->tail ? 0 : ring->items[ring->head++ & ring->mask];
}

/// What was pushed last; zero when empty.
static inline uint64_t swiftlet_ring_last(const swiftlet_ring *ring) {
  return ring->head == ring->tail ? 0 : ring->items[(ring->tail - 1) & ring->mask];
}
static inline void swiftlet_ring_drop_last(swiftlet_ring *ring) { ring->tail--; }

/// Counters that a watching thread reads: plain on the writer's side.
static inline void swiftlet_counter_add(uint64_t *counter, uint64_t amount) {
  __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + amount, __ATOMIC_RELAXED);
}
static inline void swiftlet_counter_set(uint64_t *counter, uint64_t value) {
  __atomic_store_n(counter, value, __ATOMIC_RELEASE);
}
static inline uint64_t swiftlet_counter_get(const uint64_t *counter) {
  return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/// What other threads post to a loop: an item and its argument.
typedef struct swiftlet_message {
  uint64_t item, argument;
} swiftlet_message;

/// One pending timer. Equal deadlines fire in the order of `order`.
typedef struct swiftlet_timer {
  uint64_t deadline;         // nanoseconds of CLOCK_MONOTONIC
  uint64_t order;
  uint64_t item;
} swiftlet_timer;

/// A 4-ary heap. Entries are not removed when their wait ends early: the owner counts and sweeps the stale ones.
typedef struct swiftlet_timer_heap {
  swiftlet_timer *timers;
  size_t count, capacity;
} swiftlet_timer_heap;

struct swiftlet_context;
struct swiftlet_trace;

/// A loop's state that its scheduler touches at every turn, and what a watching thread may read of it.
typedef struct swiftlet_loop_core {
  swiftlet_ring ready;
  swiftlet_ring held;              // isolated jobs that wait until the parked one has gone on
  swiftlet_timer_heap timers;
  void *loop;                      // the Swift loop; not owned
  struct swiftlet_context *(*lead)(void *loop);
  int64_t budget;                  // turns left before timers, descriptors and the inbox are looked at
  uint64_t isolated_parked;        // parked stacks that run an isolated job
  struct swiftlet_trace *trace;    // where events are noted, while somebody records them; set by any thread, never freed
  uint64_t turns;                  // counters: see swiftlet_counter_get
  uint64_t parks, polls, sleeps, foreign_wakes, jobs, fibers, stale_timers;
  uint64_t is_polling;
} swiftlet_loop_core;

static inline swiftlet_ring *swiftlet_ready_ring(swiftlet_loop_core *core) { return &core->ready; }

/// Many producers, one consumer. A pthread mutex: the thread sanitizer understands it.
typedef struct swiftlet_inbox {
  pthread_mutex_t lock;
  swiftlet_message *messages, *taken;
  size_t count, capacity, taken_capacity;
  int event;                 // eventfd, written when a message comes while the consumer sleeps or is about to
  bool is_sleeping, is_open;
  uint64_t epoch;            // counts openings: a loop's inbox lies in its thread's record, which later loops reuse
} swiftlet_inbox;

/// Once in the inbox's life.
void swiftlet_inbox_initialize(swiftlet_inbox *inbox);

/// Answers the new epoch, or 0 with errno set when the kernel has no eventfd left.
uint64_t swiftlet_inbox_open(swiftlet_inbox *inbox);
/// Refuses everything from now on, unless there is something to take first.
bool swiftlet_inbox_refuse_if_empty(swiftlet_inbox *inbox);
void swiftlet_inbox_close(swiftlet_inbox *inbox);

/// False when the inbox is closed, or open for another epoch than the wanted one (0: any).
bool swiftlet_inbox_post(swiftlet_inbox *inbox, uint64_t epoch, uint64_t item, uint64_t argument);

/// Everything posted so far, valid until the next call.
size_t swiftlet_inbox_take(swiftlet_inbox *inbox, swiftlet_message **messages);

/// Announces that the consumer is going to sleep. False when there is something to take first.
bool swiftlet_inbox_prepare_sleep(swiftlet_inbox *inbox);
void swiftlet_inbox_end_sleep(swiftlet_inbox *inbox);

static inline bool swiftlet_inbox_is_empty(const swiftlet_inbox *inbox) {
  return __atomic_load_n(&inbox->count, __ATOMIC_ACQUIRE) == 0;
}

void swiftlet_timer_heap_push(swiftlet_timer_heap *heap, swiftlet_timer timer);
swiftlet_timer swiftlet_timer_heap_pop(swiftlet_timer_heap *heap);
/// Keeps the timers for which `is_wanted` answers true.
void swiftlet_timer_heap_sweep(swiftlet_timer_heap *heap, bool (*is_wanted)(const swiftlet_timer *timer, void *argument),
                               void *argument);
void swiftlet_timer_heap_destroy(swiftlet_timer_heap *heap);

#endif
