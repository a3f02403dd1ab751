#define _GNU_SOURCE
#include "swiftlet_queue.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

// Large arrays are mappings of their own: they grow without a copy that leaves a hole of half their size in the heap.
// Very large ones ask for huge pages: a fresh page of 4 KB costs microseconds, and they are filled from end to end.
enum { MAPPED_FROM = 64 << 10, HUGE_FROM = 4 << 20, RING_SMALLEST = 256, RING_KEPT = 4096 };

void *swiftlet_array_resize(void *array, size_t bytes, size_t wanted) {
  bool was_mapped = bytes >= MAPPED_FROM, is_mapped = wanted >= MAPPED_FROM;
  void *resized;
  if (was_mapped && is_mapped) {
    resized = mremap(array, bytes, wanted, MREMAP_MAYMOVE);
  } else if (is_mapped) {
    resized = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (resized != MAP_FAILED && bytes) memcpy(resized, array, bytes);
    if (resized != MAP_FAILED) free(array);
  } else if (was_mapped) {
    resized = wanted ? malloc(wanted) : NULL;
    if (resized) memcpy(resized, array, wanted);
    munmap(array, bytes);
    if (!wanted) return NULL;
  } else if (!wanted) {
    free(array);
    return NULL;
  } else {
    resized = realloc(array, wanted);
  }
  if (!resized || resized == MAP_FAILED) abort();  // a lost wake-up would be worse
  if (wanted >= HUGE_FROM) {
    int reason = errno;
    madvise(resized, wanted, MADV_HUGEPAGE);  // a wish: a kernel without them refuses
    errno = reason;
  }
  return resized;
}

static void ring_resize(swiftlet_ring *ring, uint32_t count) {
  size_t bytes = ring->items ? ((size_t)ring->mask + 1) * sizeof *ring->items : 0;
  ring->items = swiftlet_array_resize(ring->items, bytes, count * sizeof *ring->items);
  ring->mask = count ? count - 1 : 0;
}

void swiftlet_ring_initialize(swiftlet_ring *ring) {
  *ring = (swiftlet_ring){0};
  ring_resize(ring, RING_SMALLEST);
}

void swiftlet_ring_destroy(swiftlet_ring *ring) { ring_resize(ring, 0); }

void swiftlet_ring_grow(swiftlet_ring *ring) {
  uint32_t count = ring->mask + 1, first = ring->head & ring->mask;
  ring_resize(ring, 2 * count);
  memcpy(ring->items + count, ring->items, first * sizeof *ring->items);  // what had wrapped around goes on behind
  ring->head = first;
  ring->tail = first + count;
}

void swiftlet_ring_trim(swiftlet_ring *ring) {
  if (ring->mask < RING_KEPT || ring->head != ring->tail) return;
  ring->head = ring->tail = 0;
  ring_resize(ring, RING_SMALLEST);
}

void swiftlet_inbox_initialize(swiftlet_inbox *inbox) {
  memset(inbox, 0, sizeof *inbox);
  pthread_mutex_init(&inbox->lock, NULL);
  inbox->event = -1;
}

uint64_t swiftlet_inbox_open(swiftlet_inbox *inbox) {
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return 0;
  pthread_mutex_lock(&inbox->lock);
  inbox->event = event;
  inbox->is_open = true;
  inbox->is_sleeping = false;
  uint64_t epoch = ++inbox->epoch;
  pthread_mutex_unlock(&inbox->lock);
  return epoch;
}

bool swiftlet_inbox_refuse_if_empty(swiftlet_inbox *inbox) {
  pthread_mutex_lock(&inbox->lock);
  bool is_empty = inbox->count == 0;
  if (is_empty) inbox->is_open = false;
  pthread_mutex_unlock(&inbox->lock);
  return is_empty;
}

void swiftlet_inbox_close(swiftlet_inbox *inbox) {
  pthread_mutex_lock(&inbox->lock);
  if (inbox->event >= 0) close(inbox->event);
  inbox->event = -1;
  inbox->is_open = false;
  free(inbox->messages);
  free(inbox->taken);
  inbox->messages = inbox->taken = NULL;
  inbox->capacity = inbox->taken_capacity = 0;
  __atomic_store_n(&inbox->count, 0, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&inbox->lock);
}

bool swiftlet_inbox_post(swiftlet_inbox *inbox, uint64_t epoch, uint64_t item, uint64_t argument) {
  pthread_mutex_lock(&inbox->lock);
  bool accepted = inbox->is_open && (epoch == 0 || epoch == inbox->epoch);
  if (accepted) {
    if (inbox->count == inbox->capacity) {
      size_t capacity = inbox->capacity ? inbox->capacity * 2 : 64;
      swiftlet_message *bigger = realloc(inbox->messages, capacity * sizeof *bigger);
      if (!bigger) abort();
      inbox->messages = bigger;
      inbox->capacity = capacity;
    }
    inbox->messages[inbox->count] = (swiftlet_message){item, argument};
    __atomic_store_n(&inbox->count, inbox->count + 1, __ATOMIC_RELEASE);
    if (inbox->is_sleeping) {
      // Under the lock, so that the descriptor cannot be closed meanwhile. EAGAIN means a wake-up is pending.
      uint64_t one = 1;
      inbox->is_sleeping = false;
      while (write(inbox->event, &one, sizeof one) < 0 && errno == EINTR) {}
    }
  }
  pthread_mutex_unlock(&inbox->lock);
  return accepted;
}

size_t swiftlet_inbox_take(swiftlet_inbox *inbox, swiftlet_message **messages) {
  pthread_mutex_lock(&inbox->lock);
  swiftlet_message *full = inbox->messages;
  size_t count = inbox->count, capacity = inbox->capacity;
  inbox->messages = inbox->taken;
  inbox->capacity = inbox->taken_capacity;
  inbox->taken = full;
  inbox->taken_capacity = capacity;
  __atomic_store_n(&inbox->count, 0, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&inbox->lock);
  *messages = full;
  return count;
}

bool swiftlet_inbox_prepare_sleep(swiftlet_inbox *inbox) {
  pthread_mutex_lock(&inbox->lock);
  bool may_sleep = inbox->count == 0;
  inbox->is_sleeping = may_sleep;
  pthread_mutex_unlock(&inbox->lock);
  return may_sleep;
}

void swiftlet_inbox_end_sleep(swiftlet_inbox *inbox) {
  uint64_t counter;
  pthread_mutex_lock(&inbox->lock);
  bool was_woken = !inbox->is_sleeping;
  inbox->is_sleeping = false;
  pthread_mutex_unlock(&inbox->lock);
  if (was_woken)
    while (read(inbox->event, &counter, sizeof counter) < 0 && errno == EINTR) {}
}

static bool is_before(const swiftlet_timer *a, const swiftlet_timer *b) {
  return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

static void sift_down(swiftlet_timer_heap *heap, size_t hole, swiftlet_timer timer) {
  for (;;) {
    size_t first = hole * 4 + 1, last = first + 4, best = first;
    if (first >= heap->count) break;
    if (last > heap->count) last = heap->count;
    for (size_t i = first + 1; i < last; i++)
      if (is_before(&heap->timers[i], &heap->timers[best])) best = i;
    if (!is_before(&heap->timers[best], &timer)) break;
    heap->timers[hole] = heap->timers[best];
    hole = best;
  }
  heap->timers[hole] = timer;
}

void swiftlet_timer_heap_push(swiftlet_timer_heap *heap, swiftlet_timer timer) {
  if (heap->count == heap->capacity) {
    size_t capacity = heap->capacity ? heap->capacity * 2 : 64;
    heap->timers = swiftlet_array_resize(heap->timers, heap->capacity * sizeof *heap->timers,
                                         capacity * sizeof *heap->timers);
    heap->capacity = capacity;
  }
  size_t hole = heap->count++;
  while (hole > 0) {
    size_t parent = (hole - 1) / 4;
    if (!is_before(&timer, &heap->timers[parent])) break;
    heap->timers[hole] = heap->timers[parent];
    hole = parent;
  }
  heap->timers[hole] = timer;
}

swiftlet_timer swiftlet_timer_heap_pop(swiftlet_timer_heap *heap) {
  swiftlet_timer first = heap->timers[0], last = heap->timers[--heap->count];
  if (heap->count) sift_down(heap, 0, last);
  return first;
}

void swiftlet_timer_heap_sweep(swiftlet_timer_heap *heap, bool (*is_wanted)(const swiftlet_timer *, void *), void *argument) {
  size_t kept = 0;
  for (size_t i = 0; i < heap->count; i++)
    if (is_wanted(&heap->timers[i], argument)) heap->timers[kept++] = heap->timers[i];
  heap->count = kept;
  for (size_t i = kept / 4 + 1; i-- > 0;)
    if (i < kept) sift_down(heap, i, heap->timers[i]);
}

void swiftlet_timer_heap_destroy(swiftlet_timer_heap *heap) {
  swiftlet_array_resize(heap->timers, heap->capacity * sizeof *heap->timers, 0);
  *heap = (swiftlet_timer_heap){0};
}
