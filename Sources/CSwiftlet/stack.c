// Stack slabs and the per-thread pool.
//
// A slab is one NORESERVE mapping cut into slots of one size. A slot is [guard | usable ... context | color].
// Guards are installed when a slot is first used. On kernels from 6.13 a guard is a page-table marker
// (MADV_GUARD_INSTALL) and costs no mapping; before that mprotect splits the mapping, and the kernel's limit of
// mappings (vm.max_map_count, 65,530) ends the growth near 32,000 stacks with ENOMEM.
//
// Slabs stay mapped until their thread ends: a late wake-up may look at a context that has finished long ago.
#define _GNU_SOURCE
#include "swiftlet_peek.h"
#include "swiftlet_stack.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

extern void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
extern void __tsan_destroy_fiber(void *fiber) __attribute__((weak));
extern void __lsan_register_root_region(const void *low, size_t size) __attribute__((weak));
extern void __lsan_unregister_root_region(const void *low, size_t size) __attribute__((weak));
extern void __asan_unpoison_memory_region(void const volatile *low, size_t size) __attribute__((weak));

enum { SIZE_CLASSES = 9, FIRST_SLOTS = 16, LARGEST_SLAB = 1 << 30 };

typedef struct slab {
  char *low;
  size_t slot_size, slots;
  atomic_size_t used;              // slots that have been handed out at least once
  struct slab *next;               // the one made after it
} slab;

typedef struct size_class_pool {
  swiftlet_context **free;         // kept outside the stacks: trimming wipes what lies on them
  size_t free_count, free_capacity;
  size_t trimmed;                  // free[0 ..< trimmed] hold no memory
  slab *oldest, *newest;
} size_class_pool;

typedef struct swiftlet_stack_pool {
  size_class_pool classes[SIZE_CLASSES];
  size_t live, slots, reserved;
} swiftlet_stack_pool;

// Slabs of all threads, for the overflow handler, which can take no lock: entries are only ever replaced.
enum { SLAB_TABLE = 8192 };
static _Atomic(slab *) slab_table[SLAB_TABLE];
static atomic_size_t slab_table_used;
static pthread_mutex_t slab_table_lock = PTHREAD_MUTEX_INITIALIZER;

static bool slab_publish(slab *new_slab) {
  pthread_mutex_lock(&slab_table_lock);
  size_t used = atomic_load_explicit(&slab_table_used, memory_order_relaxed), i = 0;
  while (i < used && atomic_load_explicit(&slab_table[i], memory_order_relaxed)) i++;
  bool fits = i < SLAB_TABLE;
  if (fits) {
    atomic_store_explicit(&slab_table[i], new_slab, memory_order_release);
    if (i == used) atomic_store_explicit(&slab_table_used, used + 1, memory_order_release);
  }
  pthread_mutex_unlock(&slab_table_lock);
  return fits;
}

static void slab_withdraw(slab *old) {
  pthread_mutex_lock(&slab_table_lock);
  for (size_t i = 0; i < SLAB_TABLE; i++)
    if (atomic_load_explicit(&slab_table[i], memory_order_relaxed) == old)
      atomic_store_explicit(&slab_table[i], NULL, memory_order_release);
  pthread_mutex_unlock(&slab_table_lock);
}

static slab *slab_make(swiftlet_stack_pool *pool, size_t slot_size, const slab *previous) {
  size_t slots = previous ? previous->slots * 2 : FIRST_SLOTS;
  if (slots * slot_size > LARGEST_SLAB) slots = LARGEST_SLAB / slot_size;
  char *low = mmap(NULL, slots * slot_size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (low == MAP_FAILED) return NULL;
  // A huge page under many stacks would make each of them cost its whole size.
  madvise(low, slots * slot_size, MADV_NOHUGEPAGE);
  slab *made = calloc(1, sizeof *made);
  if (made) {
    made->low = low;
    made->slot_size = slot_size;
    made->slots = slots;
  }
  if (!made || !slab_publish(made)) {
    munmap(low, slots * slot_size);
    free(made);
    errno = ENOMEM;
    return NULL;
  }
  pool->slots += slots;
  pool->reserved += slots * slot_size;
  return made;
}

static bool install_guard(char *low) {
  static atomic_bool lacks_guard_advice;
  if (!atomic_load_explicit(&lacks_guard_advice, memory_order_relaxed)) {
    if (madvise(low, SWIFTLET_STACK_GUARD_SIZE, MADV_GUARD_INSTALL) == 0) return true;
    if (errno != EINVAL) return false;
    atomic_store_explicit(&lacks_guard_advice, true, memory_order_relaxed);
  }
  return mprotect(low, SWIFTLET_STACK_GUARD_SIZE, PROT_NONE) == 0;
}

// Tops of equally aligned stacks share their cache sets; the top is moved down by a multiple of two lines.
static size_t color_of(size_t index) { return (index % 8) * 128; }

static swiftlet_context *slot_context(const slab *of, size_t index) {
  char *top = of->low + (index + 1) * of->slot_size - color_of(index);
  return (swiftlet_context *)(top - sizeof(swiftlet_context));
}

// Also after trimming, which leaves zeros.
static void slot_initialize(swiftlet_context *context, swiftlet_thread *thread, char *slot_low, size_t slot_size,
                            size_t color, unsigned size_class) {
  context->thread = thread;
  context->low = slot_low + SWIFTLET_STACK_GUARD_SIZE;
  context->size = slot_size - SWIFTLET_STACK_GUARD_SIZE - color;
  context->color = (uint32_t)color;
  context->size_class = size_class;
}

static swiftlet_context *take_fresh(swiftlet_thread *thread, swiftlet_stack_pool *pool, unsigned size_class) {
  size_class_pool *classes = &pool->classes[size_class];
  slab *from = classes->newest;
  if (!from || atomic_load_explicit(&from->used, memory_order_relaxed) == from->slots) {
    slab *made = slab_make(pool, (size_t)SWIFTLET_STACK_SMALLEST_SIZE << size_class, from);
    if (!made) return NULL;
    if (from) from->next = made;
    else classes->oldest = made;
    classes->newest = from = made;
  }
  size_t index = atomic_load_explicit(&from->used, memory_order_relaxed);
  char *low = from->low + index * from->slot_size;
  if (!install_guard(low)) return NULL;
  swiftlet_context *context = slot_context(from, index);
  slot_initialize(context, thread, low, from->slot_size, color_of(index), size_class);
  atomic_store_explicit(&from->used, index + 1, memory_order_release);
  return context;
}

swiftlet_context *swiftlet_stack_acquire(swiftlet_thread *thread, size_t size) {
  unsigned size_class = 0;
  if (size > SWIFTLET_STACK_LARGEST_SIZE) {
    errno = EINVAL;
    return NULL;
  }
  while (((size_t)SWIFTLET_STACK_SMALLEST_SIZE << size_class) < size) size_class++;
  swiftlet_stack_pool *pool = thread->pool;
  if (!pool) {
    pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    thread->pool = pool;
  }
  size_class_pool *classes = &pool->classes[size_class];
  swiftlet_context *context;
  if (classes->free_count) {
    context = classes->free[--classes->free_count];
    if (classes->trimmed > classes->free_count) {
      classes->trimmed = classes->free_count;
      // The color is a function of the slot, so what the trimming wiped can be computed again.
      size_t slot_size = (size_t)SWIFTLET_STACK_SMALLEST_SIZE << size_class;
      for (slab *s = classes->oldest; s; s = s->next)
        if ((char *)context >= s->low && (char *)context < s->low + s->slots * slot_size) {
          size_t index = (size_t)((char *)context - s->low) / slot_size;
          slot_initialize(context, thread, s->low + index * slot_size, slot_size, color_of(index), size_class);
        }
    }
  } else {
    context = take_fresh(thread, pool, size_class);
    if (!context) return NULL;
    if (__lsan_register_root_region) __lsan_register_root_region(context->low, context->size);
  }
  if (__builtin_expect(thread->is_sanitized, 0)) {
    if (__tsan_create_fiber) {
      if (context->thread_sanitizer_fiber) __tsan_destroy_fiber(context->thread_sanitizer_fiber);
      context->thread_sanitizer_fiber = __tsan_create_fiber(0);
    }
    // Frames that were left by the final switch never ran their epilogues, which unpoison them.
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(context->low, context->size);
  }
  context->is_live = true;
  pool->live++;
  return context;
}

void swiftlet_stack_release(swiftlet_context *context) {
  swiftlet_stack_pool *pool = context->thread->pool;
  size_class_pool *classes = &pool->classes[context->size_class];
  if (classes->free_count == classes->free_capacity) {
    size_t capacity = classes->free_capacity ? classes->free_capacity * 2 : 64;
    swiftlet_context **bigger = realloc(classes->free, capacity * sizeof *bigger);
    if (!bigger) abort();  // 8 bytes a stack cannot be had: nothing sensible is left to do
    classes->free = bigger;
    classes->free_capacity = capacity;
  }
  context->is_live = false;
  context->owner = NULL;
  context->name = NULL;
  context->wait_id = 0;
  classes->free[classes->free_count++] = context;
  pool->live--;
}

swiftlet_stack_statistics swiftlet_stack_count(swiftlet_thread *thread) {
  swiftlet_stack_pool *pool = thread->pool;
  swiftlet_stack_statistics counts = {0};
  if (!pool) return counts;
  counts.live = pool->live;
  counts.slots = pool->slots;
  counts.reserved_bytes = pool->reserved;
  for (int i = 0; i < SIZE_CLASSES; i++) counts.pooled += pool->classes[i].free_count;
  return counts;
}

size_t swiftlet_stack_trim(swiftlet_thread *thread, size_t keep, size_t limit) {
  swiftlet_stack_pool *pool = thread->pool;
  size_t done = 0;
  if (!pool) return 0;
  for (int i = 0; i < SIZE_CLASSES; i++) {
    size_class_pool *classes = &pool->classes[i];
    while (done < limit && classes->trimmed + keep < classes->free_count) {
      // The list is used from its end, so the coldest stacks are at its front.
      swiftlet_context *context = classes->free[classes->trimmed++];
      char *low = context->low;
      size_t size = context->size + context->color;
      if (__tsan_destroy_fiber && context->thread_sanitizer_fiber) __tsan_destroy_fiber(context->thread_sanitizer_fiber);
      madvise(low, size, MADV_DONTNEED);
      done++;
    }
  }
  return done;
}

void swiftlet_stack_release_unused(const swiftlet_context *context) {
  enum { RED_ZONE = 128 };  // below the stack pointer, and a function's own all the same (System V ABI)
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *end = (char *)(((uintptr_t)context->stack_pointer - RED_ZONE) & ~(page - 1));
  if (end > context->low) madvise(context->low, (size_t)(end - context->low), MADV_DONTNEED);
}

size_t swiftlet_stack_high_water(const swiftlet_context *context) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (context->size + context->color) / page;
  unsigned char resident[(SWIFTLET_STACK_LARGEST_SIZE >> 12)];
  if (page < 4096 || mincore(context->low, pages * page, resident) != 0) return 0;
  size_t first = 0;
  while (first < pages && !(resident[first] & 1)) first++;
  const char *byte = context->low + first * page, *top = context->low + context->size;
  while (byte < top && *byte == 0) byte++;
  return (size_t)(top - byte);
}

void swiftlet_stack_visit(swiftlet_thread *thread, void (*visit)(swiftlet_context *, void *), void *argument) {
  swiftlet_stack_pool *pool = thread->pool;
  if (!pool) return;
  // A look at a trimmed stack is a page fault, and the last live ones mostly lie in the slots used first.
  size_t left = pool->live;
  for (int i = 0; i < SIZE_CLASSES; i++)
    for (slab *s = pool->classes[i].oldest; s; s = s->next)
      for (size_t k = 0; left && k < atomic_load_explicit(&s->used, memory_order_acquire); k++)
        if (slot_context(s, k)->is_live) {
          left--;
          visit(slot_context(s, k), argument);
        }
}

void swiftlet_stack_pool_destroy(swiftlet_thread *thread) {
  swiftlet_stack_pool *pool = thread->pool;
  if (!pool || pool->live) return;  // a stack that still holds objects is leaked rather than unmapped under them
  for (int i = 0; i < SIZE_CLASSES; i++) {
    for (slab *s = pool->classes[i].oldest, *next; s; s = next) {
      next = s->next;
      for (size_t k = 0; k < atomic_load(&s->used); k++) {
        swiftlet_context *context = slot_context(s, k);
        if (context->low && __lsan_unregister_root_region) __lsan_unregister_root_region(context->low, context->size);
        if (__tsan_destroy_fiber && context->thread_sanitizer_fiber) __tsan_destroy_fiber(context->thread_sanitizer_fiber);
      }
      slab_withdraw(s);
      munmap(s->low, s->slots * s->slot_size);
      free(s);
    }
    free(pool->classes[i].free);
  }
  free(pool);
  thread->pool = NULL;
}

const swiftlet_context *swiftlet_stack_overflowed(const void *address) {
  const char *byte = address;
  size_t used = atomic_load_explicit(&slab_table_used, memory_order_acquire);
  for (size_t i = 0; i < used; i++) {
    slab *s = atomic_load_explicit(&slab_table[i], memory_order_acquire);
    if (!s || byte < s->low || byte >= s->low + s->slots * s->slot_size) continue;
    size_t offset = (size_t)(byte - s->low), index = offset / s->slot_size;
    if (offset % s->slot_size >= SWIFTLET_STACK_GUARD_SIZE || index >= atomic_load(&s->used)) return NULL;
    return slot_context(s, index);
  }
  return NULL;
}

size_t swiftlet_stack_slabs(swiftlet_slab *slabs, size_t capacity) {
  size_t count = 0;
  pthread_mutex_lock(&slab_table_lock);  // a slab is freed once it is off the table
  size_t used = atomic_load_explicit(&slab_table_used, memory_order_relaxed);
  for (size_t i = 0; i < used; i++) {
    slab *s = atomic_load_explicit(&slab_table[i], memory_order_relaxed);
    if (!s) continue;
    if (count < capacity)
      slabs[count] = (swiftlet_slab){s->low, s->slot_size, atomic_load_explicit(&s->used, memory_order_acquire)};
    count++;
  }
  pthread_mutex_unlock(&slab_table_lock);
  return count;
}

swiftlet_context *swiftlet_stack_context_at(const swiftlet_slab *of, size_t index) {
  char *top = of->low + (index + 1) * of->slot_size - color_of(index);
  return (swiftlet_context *)(top - sizeof(swiftlet_context));
}

void swiftlet_stack_touched(const swiftlet_slab *of, uint32_t *touched) {
  memset(touched, 0, of->used * sizeof *touched);
  size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = of->used * of->slot_size / page, each = of->slot_size / page;
  unsigned char *resident = malloc(pages ? pages : 1);
  if (resident && mincore(of->low, of->used * of->slot_size, resident) == 0)
    for (size_t i = 0; i < of->used; i++) {
      size_t first = SWIFTLET_STACK_GUARD_SIZE / page;
      while (first < each && !(resident[i * each + first] & 1)) first++;
      touched[i] = (uint32_t)((each - first) * page);
    }
  free(resident);
}
