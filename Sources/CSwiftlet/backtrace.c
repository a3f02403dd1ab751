// A thread that computes is asked: the asking thread sends SIGURG to the other, whose handler walks its own stack by its CFI and answers
// through one shared slot. The request number keeps a late answer from being taken for a new one.
#define _GNU_SOURCE
#include "swiftlet_backtrace.h"
#include "swiftlet_kernel.h"
#include "swiftlet_unwind.h"

#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 64 };

static struct {
  atomic_int wanted_thread;
  atomic_uint request, answered;
  void *frames[LARGEST];
  int count;
} slot;
static struct sigaction earlier_action;

static void on_request(int signal, siginfo_t *information, void *machine_context) {
  if (atomic_load(&slot.wanted_thread) != swiftlet_thread_id()) {
    // Somebody else's SIGURG (out-of-band data): pass it on.
    if ((earlier_action.sa_flags & SA_SIGINFO) && earlier_action.sa_sigaction)
      earlier_action.sa_sigaction(signal, information, machine_context);
    else if (earlier_action.sa_handler != SIG_DFL && earlier_action.sa_handler != SIG_IGN)
      earlier_action.sa_handler(signal);
    return;
  }
  // Claimed before the walk: a late answer must not be taken for the next request's.
  unsigned request = atomic_load(&slot.request);
  int myself = swiftlet_thread_id();
  if (!atomic_compare_exchange_strong(&slot.wanted_thread, &myself, 0)) return;
  int saved_errno = swiftlet_errno();
  slot.count = backtrace(slot.frames, LARGEST);
  atomic_store(&slot.answered, request);
  swiftlet_set_errno(saved_errno);
}

static void install(void) {
  void *unused[2];
  backtrace(unused, 2);  // loads the unwinder now: the handler must not
  struct sigaction action = {0};
  action.sa_sigaction = on_request;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigaction(SIGURG, &action, &earlier_action);
}

void swiftlet_backtrace_permit(void) {
  sigset_t asked;
  sigemptyset(&asked);
  sigaddset(&asked, SIGURG);
  pthread_sigmask(SIG_UNBLOCK, &asked, NULL);
}

static int ask_thread(int kernel_id, void **frames, int capacity) {
  unsigned request = atomic_fetch_add(&slot.request, 1) + 1;
  atomic_store(&slot.wanted_thread, kernel_id);
  if (swiftlet_signal_thread(kernel_id, SIGURG) != 0) return 0;
  for (int waited = 0; atomic_load(&slot.answered) != request; waited++) {
    struct timespec millisecond = {0, 1000000};
    if (waited == 100) {
      atomic_store(&slot.wanted_thread, 0);
      return 0;
    }
    nanosleep(&millisecond, NULL);
  }
  // The first frames are the handler and the signal trampoline.
  int skip = slot.count > 2 ? 2 : 0, count = slot.count - skip;
  if (count > capacity) count = capacity;
  memcpy(frames, slot.frames + skip, (size_t)count * sizeof *frames);
  return count;
}

int swiftlet_backtrace_of_thread(int kernel_id, void **frames, int capacity) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // there is one slot
  pthread_once(&once, install);
  pthread_mutex_lock(&lock);
  int count = ask_thread(kernel_id, frames, capacity);
  pthread_mutex_unlock(&lock);
  return count;
}

#if defined(__x86_64__)
// The kernel tells where a thread stands that is in a call to it, and which call that is.
static int read_standing(int kernel_id, void **frames, int capacity, swiftlet_thread_look *look) {
  enum { LARGEST_COPY = 256 << 10 };
  char *bytes = malloc(LARGEST_COPY);
  if (!bytes) return 0;
  swiftlet_stack_copy copy = {bytes, look->stack_pointer, 0};
  copy.size = swiftlet_peek(bytes, look->stack_pointer, LARGEST_COPY);
  swiftlet_thread_look again = swiftlet_thread_look_at(kernel_id);
  int count = 0;
  if (again.system_call == look->system_call && again.stack_pointer == look->stack_pointer &&
      again.program_counter == look->program_counter)
    count = swiftlet_unwind(&copy, look->program_counter, look->stack_pointer, NULL, frames, capacity);
  free(bytes);
  return count;
}
#endif

int swiftlet_backtrace_of_work(int kernel_id, void **frames, int capacity, swiftlet_thread_look *look) {
  for (int attempt = 0; attempt < 4; attempt++) {
    *look = swiftlet_thread_look_at(kernel_id);
#if defined(__x86_64__)
    if (look->program_counter && look->state != 'R') {
      int count = read_standing(kernel_id, frames, capacity, look);
      if (count > 0) return count;
      continue;  // it went on meanwhile
    }
#endif
    return swiftlet_backtrace_of_thread(kernel_id, frames, capacity);
  }
  return 0;
}

__attribute__((noinline)) int swiftlet_backtrace_here(void **frames, int capacity) {
  swiftlet_thread *thread = swiftlet_this_thread;
  uintptr_t frame = (uintptr_t)__builtin_frame_address(0), low = frame, high = frame + (64 << 10);
  bool is_bounded = thread && thread->current->low && frame >= (uintptr_t)thread->current->low &&
                    frame < (uintptr_t)thread->current->low + thread->current->size;
  char copy[16 << 10];
  size_t copied = 0;
  if (is_bounded) high = (uintptr_t)thread->current->low + thread->current->size;
  else copied = swiftlet_peek(copy, (const void *)low, sizeof copy);  // where this stack ends is not known
  int count = 0;
  while (count < capacity && frame >= low && frame + 16 <= high && frame % 8 == 0) {
    uintptr_t record[2];
    if (is_bounded) memcpy(record, (const void *)frame, sizeof record);
    else if (frame - low + sizeof record <= copied) memcpy(record, copy + (frame - low), sizeof record);
    else break;
    if (!record[1]) break;
    frames[count++] = (void *)record[1];
    if (record[0] <= frame) break;
    frame = record[0];
  }
  return count;
}

int swiftlet_backtrace_of_context(const swiftlet_context *context, void **frames, int capacity) {
  const char *low = context->low, *high = low + context->size;
  int count = 0;
#if defined(__x86_64__)
  uint64_t program_counter = (uint64_t)(uintptr_t)context->resume_address, frame = (uint64_t)(uintptr_t)context->frame_pointer;
#else
  const uint64_t *saved = context->stack_pointer;  // the layout of swiftlet_switch_stacks
  if ((const char *)saved < low || (const char *)(saved + 22) > high) return 0;
  uint64_t program_counter = saved[11], frame = saved[10];
#endif
  while (count < capacity && program_counter) {
    frames[count++] = (void *)(uintptr_t)program_counter;
    if ((const char *)(uintptr_t)frame < low || (const char *)(uintptr_t)frame + 16 > high || frame % 8) break;
    const uint64_t *record = (const uint64_t *)(uintptr_t)frame;
    if (record[0] && record[0] <= frame) break;
    program_counter = record[1];
    frame = record[0];
  }
  return count;
}

typedef struct {
  uintptr_t address, load_address;
  const char *path;
} lookup;

static int find_file(struct dl_phdr_info *information, size_t size, void *argument) {
  lookup *wanted = argument;
  (void)size;
  for (int i = 0; i < information->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &information->dlpi_phdr[i];
    uintptr_t low = information->dlpi_addr + header->p_vaddr;
    if (header->p_type != PT_LOAD || wanted->address < low || wanted->address >= low + header->p_memsz) continue;
    wanted->load_address = information->dlpi_addr;
    wanted->path = *information->dlpi_name ? information->dlpi_name : "/proc/self/exe";
    return 1;
  }
  return 0;
}

// The function that covers `offset` (an address before relocation) in the file's full or dynamic symbol table.
static bool find_symbol(const char *file, size_t size, uintptr_t offset, char *name, size_t capacity, size_t *distance) {
  const ElfW(Ehdr) *header = (const void *)file;
  if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return false;
  if (header->e_shoff == 0 || header->e_shoff + (size_t)header->e_shnum * sizeof(ElfW(Shdr)) > size) return false;
  const ElfW(Shdr) *sections = (const void *)(file + header->e_shoff);
  bool found = false;
  for (int s = 0; s < header->e_shnum; s++) {
    if (sections[s].sh_type != SHT_SYMTAB && sections[s].sh_type != SHT_DYNSYM) continue;
    if (sections[s].sh_link >= header->e_shnum) continue;
    const ElfW(Shdr) *strings = &sections[sections[s].sh_link];
    if (sections[s].sh_offset + sections[s].sh_size > size || strings->sh_offset + strings->sh_size > size) continue;
    const ElfW(Sym) *symbols = (const void *)(file + sections[s].sh_offset);
    for (size_t i = 0; i < sections[s].sh_size / sizeof *symbols; i++) {
      if ((symbols[i].st_info & 15) != STT_FUNC || symbols[i].st_name >= strings->sh_size) continue;
      if (offset < symbols[i].st_value || offset >= symbols[i].st_value + symbols[i].st_size) continue;
      *distance = offset - symbols[i].st_value;
      strncpy(name, file + strings->sh_offset + symbols[i].st_name, capacity - 1);
      name[capacity - 1] = 0;
      found = true;
      break;
    }
    if (found) break;
  }
  return found;
}

extern char *swift_demangle(const char *name, size_t length, char *buffer, size_t *capacity, uint32_t flags)
    __attribute__((weak));

bool swiftlet_symbol_at(const void *address, char *name, size_t capacity, size_t *offset) {
  lookup wanted = {.address = (uintptr_t)address};
  struct stat status;
  if (!dl_iterate_phdr(find_file, &wanted)) return false;
  int descriptor = open(wanted.path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  bool found = false;
  if (fstat(descriptor, &status) == 0 && status.st_size > 0) {
    size_t size = (size_t)status.st_size;
    char *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (file != MAP_FAILED) {
      found = find_symbol(file, size, wanted.address - wanted.load_address, name, capacity, offset);
      munmap(file, size);
    }
  }
  close(descriptor);
  if (found && swift_demangle) {
    char *readable = swift_demangle(name, strlen(name), NULL, NULL, 0);
    if (readable) {
      strncpy(name, readable, capacity - 1);
      name[capacity - 1] = 0;
      free(readable);
    }
  }
  return found;
}

bool swiftlet_object_at(const void *address, char *name, size_t capacity, size_t *offset) {
  lookup wanted = {.address = (uintptr_t)address};
  if (!dl_iterate_phdr(find_file, &wanted)) return false;
  const char *path = wanted.path;
  char own[4096];
  if (strcmp(path, "/proc/self/exe") == 0) {
    ssize_t length = readlink(path, own, sizeof own - 1);
    own[length > 0 ? length : 0] = 0;
    path = own;
  }
  const char *slash = strrchr(path, '/');
  snprintf(name, capacity, "%s", slash ? slash + 1 : path);
  *offset = wanted.address - wanted.load_address;
  return true;
}
