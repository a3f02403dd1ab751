// The per-thread record: made at a thread's first coroutine operation, unwound when the thread ends.
//
// Records are never freed, only recycled: an object that outlives its thread may still ask whether that thread
// is alive. A record's serial number tells its successive threads apart.
#define _GNU_SOURCE
#include "swiftlet_context.h"
#include "swiftlet_stack.h"
#include "swiftlet_thread_state.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread swiftlet_thread *swiftlet_this_thread;

extern void *__cxa_get_globals(void) __attribute__((weak));
extern void *__tsan_get_current_fiber(void) __attribute__((weak));
extern void __sanitizer_start_switch_fiber(void **, const void *, size_t) __attribute__((weak));
extern void __lsan_register_root_region(const void *low, size_t size) __attribute__((weak));
extern void __lsan_unregister_root_region(const void *low, size_t size) __attribute__((weak));

typedef struct abandoned_item {
  void (*abandon)(void *owner);
  void *owner;
  struct abandoned_item *next;
} abandoned_item;

typedef struct thread_record {
  swiftlet_thread thread;
  bool is_alive;
  struct thread_record *next_free;
} thread_record;

// Guards every record's is_alive, serial and abandoned list, and the free list.
static pthread_mutex_t records_lock = PTHREAD_MUTEX_INITIALIZER;
static thread_record *free_records;
static uint64_t last_serial;
static pthread_key_t end_key;
static pthread_once_t end_key_once = PTHREAD_ONCE_INIT;

static void thread_ends(void *argument) {
  thread_record *record = argument;
  swiftlet_thread *thread = &record->thread;
  swiftlet_this_thread = thread;  // destructors of other keys may have run before; this one still needs it
  swiftlet_thread_take_abandoned(thread);
  if (thread->loop) thread->release_loop(thread->loop);
  while (thread->live) {
    swiftlet_context *context = thread->live;
    void (*abandon)(void *) = context->abandon;
    swiftlet_context_unregister(context);
    abandon(context->owner);
  }
  if (thread->greenlets) thread->release_greenlets(thread->greenlets);
  thread->greenlets = NULL;
  swiftlet_stack_pool_destroy(thread);
  swiftlet_overflow_remove(thread);
  if (thread->root.size && __lsan_unregister_root_region)
    __lsan_unregister_root_region(thread->root.low, thread->root.size);
  pthread_mutex_lock(&records_lock);
  record->is_alive = false;
  pthread_mutex_unlock(&records_lock);
  // What others gave back meanwhile has been unwound with the rest, but its reference is still held.
  swiftlet_thread_take_abandoned(thread);
  // Before somebody else has the record: patched locks look at it as long as it is this thread's, also after the unlock.
  swiftlet_this_thread = NULL;
  pthread_mutex_lock(&records_lock);
  // With stacks left (one refused to unwind) the record stays out of use, as its pool does.
  if (!thread->pool) {
    record->next_free = free_records;
    free_records = record;
  }
  pthread_mutex_unlock(&records_lock);
}

static void make_end_key(void) { pthread_key_create(&end_key, thread_ends); }

swiftlet_thread *swiftlet_thread_make(void) {
  pthread_once(&end_key_once, make_end_key);
  pthread_mutex_lock(&records_lock);
  thread_record *record = free_records;
  if (record) free_records = record->next_free;
  pthread_mutex_unlock(&records_lock);
  if (!record) {
    record = calloc(1, sizeof *record);
    if (!record) abort();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&record->thread.blocking_lock, NULL);
    pthread_cond_init(&record->thread.blocking_condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
    swiftlet_inbox_initialize(&record->thread.inbox);
  }
  pthread_mutex_lock(&records_lock);
  record->is_alive = true;
  record->thread.serial = ++last_serial;
  pthread_mutex_unlock(&records_lock);

  swiftlet_thread *thread = &record->thread;
  thread->current = &thread->root;
  thread->kernel_id = (int)syscall(SYS_gettid);
  thread->errno_address = &errno;
  thread->exception_globals = __cxa_get_globals ? __cxa_get_globals() : thread->spare_exception_globals;
  for (int i = 0; i < SWIFTLET_WORDS; i++) thread->words[i] = &thread->spare_words[i];
  memset(&thread->root, 0, sizeof thread->root);
  thread->root.thread = thread;
  thread->root.kind = SWIFTLET_KIND_ROOT;
  thread->root.is_live = true;
  thread->root.run = thread->serial;  // records are used again: tells their roots apart
  if (__tsan_get_current_fiber) {
    thread->is_sanitized = true;
    thread->root.thread_sanitizer_fiber = __tsan_get_current_fiber();
  }
  if (__sanitizer_start_switch_fiber) {
    pthread_attr_t attributes;
    void *low;
    size_t size;
    thread->is_sanitized = true;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
      pthread_attr_getstack(&attributes, &low, &size);
      thread->root.low = low;
      thread->root.size = size;
      pthread_attr_destroy(&attributes);
      // While the thread is on another stack the sanitizer takes that for its only one: what this one holds would be a leak
      // if the process ended there.
      if (__lsan_register_root_region) __lsan_register_root_region(thread->root.low, thread->root.size);
    }
  }
  pthread_setspecific(end_key, record);
  swiftlet_this_thread = thread;
  swiftlet_thread_state_bind(thread);
  swiftlet_overflow_install(thread);
  return thread;
}

bool swiftlet_thread_is_alive(const swiftlet_thread *thread, uint64_t serial) {
  pthread_mutex_lock(&records_lock);
  bool alive = ((const thread_record *)thread)->is_alive && thread->serial == serial;
  pthread_mutex_unlock(&records_lock);
  return alive;
}

bool swiftlet_thread_abandon(swiftlet_thread *thread, uint64_t serial, void (*abandon)(void *), void *owner) {
  abandoned_item *item = malloc(sizeof *item);
  if (!item) return false;
  item->abandon = abandon;
  item->owner = owner;
  pthread_mutex_lock(&records_lock);
  bool alive = ((thread_record *)thread)->is_alive && thread->serial == serial;
  if (alive) {
    item->next = thread->abandoned;
    thread->abandoned = item;
    __atomic_store_n(&thread->has_abandoned, true, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&records_lock);
  if (!alive) free(item);
  return alive;
}

void swiftlet_thread_take_abandoned(swiftlet_thread *thread) {
  if (!__atomic_load_n(&thread->has_abandoned, __ATOMIC_ACQUIRE)) return;
  pthread_mutex_lock(&records_lock);
  abandoned_item *item = thread->abandoned, *next;
  thread->abandoned = NULL;
  __atomic_store_n(&thread->has_abandoned, false, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&records_lock);
  for (; item; item = next) {
    next = item->next;
    item->abandon(item->owner);
    free(item);
  }
}

void swiftlet_thread_reset_after_fork(void) {
  swiftlet_thread *thread = swiftlet_this_thread;
  if (!thread) return;
  thread->live = NULL;
  thread->loop = NULL;
  thread->core = NULL;
  thread->pool = NULL;  // the stacks stay mapped: whatever they hold belongs to the parent's story
  thread->kernel_id = (int)syscall(SYS_gettid);
}
