// Finding the words that the Swift runtime keeps per thread, by behaviour: make the runtime change a word in a known
// way and see which one changed. Offsets differ with linkage and toolchain, behaviour does not.
#ifndef SWIFTLET_THREAD_STATE_H
#define SWIFTLET_THREAD_STATE_H

#include "swiftlet_context.h"

typedef struct swiftlet_probe swiftlet_probe;

/// Begins on the calling thread, which must be in no task: there a task-local binding goes to the task instead.
swiftlet_probe *swiftlet_probe_begin(void);

/// Remembers the value of every thread-local word.
void swiftlet_probe_mark(swiftlet_probe *probe);

// Each of these keeps, of one word's candidates, only those that pass; the first call starts from all words.
void swiftlet_probe_keep_value(swiftlet_probe *probe, int word, uint64_t value);
/// Changed since the mark, and leading within one pointer to memory that holds `value`.
void swiftlet_probe_keep_leading_to(swiftlet_probe *probe, int word, uint64_t value);
/// Back at its value of the mark: sanitizers' own words change too, and stay changed.
void swiftlet_probe_keep_restored(swiftlet_probe *probe, int word);

/// One whole round for the exclusivity access set, which needs no Swift code.
void swiftlet_probe_access_round(swiftlet_probe *probe);

/// NULL, and the words are `words`; or why they could not be told.
const char *swiftlet_probe_finish(swiftlet_probe *probe, uint64_t *words[SWIFTLET_WORDS]);

/// For tests: lets the probe fail for this reason. Before the process's first coroutine operation.
void swiftlet_probe_set_fault(const char *refusal);

/// Makes the result the process's: from now on new threads bind their words. Frees the probe. NULL `refusal`: found.
void swiftlet_probe_publish(swiftlet_probe *probe, const char *refusal);

/// Why Swift jobs cannot park, or NULL. Valid once published.
const char *swiftlet_thread_state_refusal(void);

/// Points the record's words at this thread's own.
void swiftlet_thread_state_bind(swiftlet_thread *thread);

/// swift_task_getCurrent(): Swift's own declaration of it is not public.
void *swiftlet_current_task(void);

/// The same, of the calling thread whose record is at hand, without a call where the word is known.
static inline void *swiftlet_task_on(const swiftlet_thread *thread) {
  return thread->has_task_state ? (void *)(uintptr_t)*thread->words[SWIFTLET_WORD_TASK] : swiftlet_current_task();
}

/// swift_task_isCancelled(): Swift's own spelling counts references.
bool swiftlet_task_is_cancelled(void *task);

/// What runs may have task-local values: it is in a task, or has bound some outside of one.
static inline bool swiftlet_may_have_task_locals(const swiftlet_thread *thread) {
  return (*thread->words[SWIFTLET_WORD_TASK] | *thread->words[SWIFTLET_WORD_TASK_LOCAL]) != 0;
}

/// The first entry in the list of the running stack's task-local values, outside of tasks; 0 for none.
static inline uint64_t swiftlet_first_task_local(const swiftlet_thread *thread) {
  const uint64_t *first = (const uint64_t *)(uintptr_t)*thread->words[SWIFTLET_WORD_TASK_LOCAL];
  return first ? *first : 0;
}

/// Sets where the first entry of the list is; answers where it was, or NULL.
static inline uint64_t *swiftlet_exchange_task_locals(swiftlet_thread *thread, uint64_t *first) {
  uint64_t *earlier = (uint64_t *)(uintptr_t)*thread->words[SWIFTLET_WORD_TASK_LOCAL];
  *thread->words[SWIFTLET_WORD_TASK_LOCAL] = (uint64_t)(uintptr_t)first;
  return earlier;
}

/// A cancellation handler of the current task, for synchronous code: what lies under `withTaskCancellationHandler`,
/// which is async only. The runtime keeps its record in the task's own allocator, last in first out; between adding and
/// removing nothing else of the task runs, since it is parked.
typedef struct swiftlet_cancellation_record {
  void (*handler)(void *argument);
  void *argument;
  const void *runtime_record;
} swiftlet_cancellation_record;

void swiftlet_cancellation_add(swiftlet_cancellation_record *record);
void swiftlet_cancellation_remove(swiftlet_cancellation_record *record);

/// True when a dynamic exclusivity access is open on this stack.
static inline bool swiftlet_access_is_open(const swiftlet_thread *thread) {
  return thread->has_task_state && *thread->words[SWIFTLET_WORD_ACCESS] != 0;
}

#endif
