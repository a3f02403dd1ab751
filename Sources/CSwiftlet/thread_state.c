// The probe. Its rounds are driven from Swift (ThreadStateProbe.swift), since tasks and task-locals are Swift's.
//
// A word is believed only if it is the one candidate left for its role after every round, if all roles found
// different words, and if the causal checks in Swift held. Otherwise parking in tasks is refused with the reason.
#define _GNU_SOURCE
#include "swiftlet_thread_state.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

extern void swift_beginAccess(void *pointer, void *buffer, uintptr_t flags, void *program_counter);
extern void swift_endAccess(void *buffer);
extern void *swift_task_getCurrent(void) __attribute__((swiftcall));
extern bool swift_task_isCancelled(void *task) __attribute__((swiftcall));

typedef __attribute__((swiftcall)) void (*swift_handler)(__attribute__((swift_context)) void *context);
extern const void *swift_task_addCancellationHandler(swift_handler handler, void *context) __attribute__((swiftcall));
extern void swift_task_removeCancellationHandler(const void *record) __attribute__((swiftcall));

enum { MODULES = 64, ALL_WORDS = 8192, CANDIDATES = 64, TRACKED_MODIFY_ACCESS = 0x21 };

typedef struct {
  uint64_t *base;
  size_t words;
  uintptr_t load_address;
} module;

struct swiftlet_probe {
  module modules[MODULES];
  int module_count;
  bool overflowed;
  uint64_t marked[ALL_WORDS];
  size_t word_count;
  uint64_t *candidates[SWIFTLET_WORDS][CANDIDATES];
  int candidate_count[SWIFTLET_WORDS];
  int rounds[SWIFTLET_WORDS];
};

static struct {
  bool published;
  const char *refusal;
  uintptr_t load_address[SWIFTLET_WORDS];
  size_t offset[SWIFTLET_WORDS];
} found = {.refusal = "the Swift runtime's thread state has not been probed"};

static const char *probe_fault;

void swiftlet_probe_set_fault(const char *refusal) { probe_fault = strdup(refusal); }

void *swiftlet_current_task(void) { return swift_task_getCurrent(); }
bool swiftlet_task_is_cancelled(void *task) { return swift_task_isCancelled(task); }

// The runtime allocates its thread-locals lazily where it was loaded by dlopen.
static void touch_runtime(void) {
  uint64_t buffer[3] = {0};
  int variable;
  swift_task_getCurrent();
  swift_beginAccess(&variable, buffer, TRACKED_MODIFY_ACCESS, NULL);
  swift_endAccess(buffer);
}

static int add_module(struct dl_phdr_info *information, size_t size, void *argument) {
  swiftlet_probe *probe = argument;
  if (size < offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof(void *) || !information->dlpi_tls_data) return 0;
  for (int i = 0; i < information->dlpi_phnum; i++) {
    if (information->dlpi_phdr[i].p_type != PT_TLS) continue;
    uintptr_t low = (uintptr_t)information->dlpi_tls_data, high = low + information->dlpi_phdr[i].p_memsz;
    low = (low + 7) & ~(uintptr_t)7;
    size_t words = high > low ? (high - low) / 8 : 0;
    if (probe->module_count == MODULES || probe->word_count + words > ALL_WORDS) {
      probe->overflowed = true;
      return 1;
    }
    probe->modules[probe->module_count++] = (module){(uint64_t *)low, words, information->dlpi_addr};
    probe->word_count += words;
  }
  return 0;
}

swiftlet_probe *swiftlet_probe_begin(void) {
  swiftlet_probe *probe = calloc(1, sizeof *probe);
  if (!probe) abort();
  touch_runtime();
  dl_iterate_phdr(add_module, probe);
  return probe;
}

void swiftlet_probe_mark(swiftlet_probe *probe) {
  size_t n = 0;
  for (int m = 0; m < probe->module_count; m++)
    for (size_t k = 0; k < probe->modules[m].words; k++) probe->marked[n++] = probe->modules[m].base[k];
}

// Does the memory at `address` hold `value` within its first words, or one pointer further? Read through the
// kernel, since a wrong guess must not fault.
static bool leads_to(uint64_t address, uint64_t value, int depth) {
  uint64_t memory[12] = {0};
  address &= ~(uint64_t)7;
  if (address < 4096) return false;
  struct iovec here = {memory, sizeof memory}, there = {(void *)(uintptr_t)address, sizeof memory};
  ssize_t bytes = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
  for (ssize_t i = 0; i < bytes / 8; i++)
    if (memory[i] == value) return true;
  for (ssize_t i = 0; depth > 0 && i < bytes / 8 && i < 4; i++)
    if (leads_to(memory[i], value, depth - 1)) return true;
  return false;
}

typedef enum { HAS_VALUE, LEADS_TO, IS_RESTORED } test;

static void keep(swiftlet_probe *probe, int word, test passes, uint64_t value) {
  uint64_t *earlier[CANDIDATES];
  int earlier_count = probe->candidate_count[word];
  memcpy(earlier, probe->candidates[word], sizeof earlier);
  probe->candidate_count[word] = 0;
  size_t n = 0;
  for (int m = 0; m < probe->module_count; m++) {
    for (size_t k = 0; k < probe->modules[m].words; k++, n++) {
      uint64_t *address = probe->modules[m].base + k, now = *address;
      bool known = probe->rounds[word] == 0, passed;
      for (int i = 0; i < earlier_count && !known; i++) known = earlier[i] == address;
      if (!known) continue;
      switch (passes) {
        case HAS_VALUE: passed = now == value && value != 0; break;
        case LEADS_TO: passed = now != probe->marked[n] && leads_to(now, value, 1); break;
        default: passed = now == probe->marked[n]; break;
      }
      if (!passed) continue;
      if (probe->candidate_count[word] == CANDIDATES) probe->overflowed = true;
      else probe->candidates[word][probe->candidate_count[word]++] = address;
    }
  }
  probe->rounds[word]++;
}

void swiftlet_probe_keep_value(swiftlet_probe *probe, int word, uint64_t value) { keep(probe, word, HAS_VALUE, value); }

void swiftlet_probe_keep_leading_to(swiftlet_probe *probe, int word, uint64_t value) {
  keep(probe, word, LEADS_TO, value);
}

void swiftlet_probe_keep_restored(swiftlet_probe *probe, int word) { keep(probe, word, IS_RESTORED, 0); }

void swiftlet_probe_access_round(swiftlet_probe *probe) {
  int first, second;
  uint64_t outer[3] = {0}, inner[3] = {0};
  swiftlet_probe_mark(probe);
  swift_beginAccess(&first, outer, TRACKED_MODIFY_ACCESS, NULL);
  keep(probe, SWIFTLET_WORD_ACCESS, HAS_VALUE, (uint64_t)(uintptr_t)outer);
  swift_beginAccess(&second, inner, TRACKED_MODIFY_ACCESS, NULL);
  keep(probe, SWIFTLET_WORD_ACCESS, HAS_VALUE, (uint64_t)(uintptr_t)inner);
  swift_endAccess(inner);
  keep(probe, SWIFTLET_WORD_ACCESS, HAS_VALUE, (uint64_t)(uintptr_t)outer);
  swift_endAccess(outer);
  keep(probe, SWIFTLET_WORD_ACCESS, IS_RESTORED, 0);
}

const char *swiftlet_probe_finish(swiftlet_probe *probe, uint64_t *words[SWIFTLET_WORDS]) {
  static const char *const missing[] = {"current-task word not found", "executor word not found",
                                        "task-local word not found", "exclusivity word not found"};
  static const char *const ambiguous[] = {"current-task word ambiguous", "executor word ambiguous",
                                          "task-local word ambiguous", "exclusivity word ambiguous"};
  if (probe_fault) return probe_fault;
  if (probe->overflowed) return "too many thread-local modules or words";
  for (int i = 0; i < SWIFTLET_WORDS; i++) {
    if (probe->candidate_count[i] < 1) return missing[i];
    if (probe->candidate_count[i] > 1) return ambiguous[i];
    words[i] = probe->candidates[i][0];
    for (int j = 0; j < i; j++)
      if (words[j] == words[i]) return "two roles found at one word";
  }
  return NULL;
}

void swiftlet_probe_publish(swiftlet_probe *probe, const char *refusal) {
  for (int i = 0; i < SWIFTLET_WORDS && !refusal; i++) {
    uint64_t *word = probe->candidates[i][0];
    for (int m = 0; m < probe->module_count; m++) {
      const module *of = &probe->modules[m];
      if (word < of->base || word >= of->base + of->words) continue;
      found.load_address[i] = of->load_address;
      found.offset[i] = (size_t)(word - of->base);
    }
  }
  found.refusal = refusal;
  found.published = true;
  free(probe);
}

const char *swiftlet_thread_state_refusal(void) { return found.refusal; }

static int bind_module(struct dl_phdr_info *information, size_t size, void *argument) {
  swiftlet_thread *thread = argument;
  (void)size;
  if (!information->dlpi_tls_data) return 0;
  uint64_t *base = (uint64_t *)(((uintptr_t)information->dlpi_tls_data + 7) & ~(uintptr_t)7);
  for (int i = 0; i < SWIFTLET_WORDS; i++)
    if (found.load_address[i] == information->dlpi_addr) thread->words[i] = base + found.offset[i];
  return 0;
}

void swiftlet_thread_state_bind(swiftlet_thread *thread) {
  if (!found.published || found.refusal) return;
  touch_runtime();
  dl_iterate_phdr(bind_module, thread);
  // The causal check that needs no task: an open access must show in the word.
  uint64_t buffer[3] = {0};
  int variable;
  swift_beginAccess(&variable, buffer, TRACKED_MODIFY_ACCESS, NULL);
  bool agrees = *thread->words[SWIFTLET_WORD_ACCESS] == (uint64_t)(uintptr_t)buffer;
  swift_endAccess(buffer);
  bool all_bound = true;
  for (int i = 0; i < SWIFTLET_WORDS; i++) all_bound &= thread->words[i] != &thread->spare_words[i];
  thread->has_task_state = agrees && all_bound;
  if (!thread->has_task_state)
    for (int i = 0; i < SWIFTLET_WORDS; i++) thread->words[i] = &thread->spare_words[i];
}

static __attribute__((swiftcall)) void on_cancellation(__attribute__((swift_context)) void *context) {
  swiftlet_cancellation_record *record = context;
  record->handler(record->argument);
}

void swiftlet_cancellation_add(swiftlet_cancellation_record *record) {
  record->runtime_record = swift_task_addCancellationHandler(on_cancellation, record);
}

void swiftlet_cancellation_remove(swiftlet_cancellation_record *record) {
  swift_task_removeCancellationHandler(record->runtime_record);
}
