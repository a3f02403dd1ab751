// Which covered calls a piece of code makes: what lies behind each of them is replaced by a step that notes the call, and goes
// on to where it led before.
#define _GNU_SOURCE
#include "CInterposeTestSupport.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "CInterpose.h"

enum { LARGEST_COUNT = 160 };

typedef struct {
  void *behind[LARGEST_COUNT];
  bool is_noted[LARGEST_COUNT];
} notes;

// Shared with children: some calls can only be made there.
static notes *shared;
static __thread bool is_watched;

// Each step is as long as the next: it tells its number, and goes on to `note_and_go_on`.
#if defined(__x86_64__)
enum { STEP_SIZE = 16 };
__asm__(
    ".text\n.balign 16\n.globl noting_steps\nnoting_steps:\n"
    ".set number, 0\n.rept 160\n"
    "movl $number, %r11d\n jmp note_and_go_on\n .balign 16\n"
    ".set number, number + 1\n.endr\n"
    "note_and_go_on:\n"
    "push %rdi\n push %rsi\n push %rdx\n push %rcx\n push %r8\n push %r9\n push %rax\n"
    "movl %r11d, %edi\n call note_call\n movq %rax, %r11\n"
    "pop %rax\n pop %r9\n pop %r8\n pop %rcx\n pop %rdx\n pop %rsi\n pop %rdi\n"
    "jmp *%r11\n");
#elif defined(__aarch64__)
enum { STEP_SIZE = 8 };
__asm__(
    ".text\n.balign 8\n.globl noting_steps\nnoting_steps:\n"
    ".set number, 0\n.rept 160\n"
    "mov w16, #number\n b note_and_go_on\n"
    ".set number, number + 1\n.endr\n"
    "note_and_go_on:\n"
    "stp x29, x30, [sp, #-96]!\n stp x0, x1, [sp, #16]\n stp x2, x3, [sp, #32]\n stp x4, x5, [sp, #48]\n"
    "stp x6, x7, [sp, #64]\n str x8, [sp, #80]\n"
    "mov w0, w16\n bl note_call\n mov x16, x0\n"
    "ldp x0, x1, [sp, #16]\n ldp x2, x3, [sp, #32]\n ldp x4, x5, [sp, #48]\n ldp x6, x7, [sp, #64]\n"
    "ldr x8, [sp, #80]\n ldp x29, x30, [sp], #96\n"
    "br x16\n");
#endif
extern const char noting_steps[];

__attribute__((used)) void *note_call(unsigned number) {
  if (is_watched) __atomic_store_n(&shared->is_noted[number], true, __ATOMIC_RELAXED);
  return shared->behind[number];
}

void watch_this_thread(bool watches) { is_watched = watches; }

bool begin_noting(void) {
  size_t count = swiftlet_interpose_count();
  if (count > LARGEST_COUNT) return false;
  if (!shared)
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return false;
  for (size_t i = 0; i < count; i++) {
    void **next = swiftlet_interpose_covered(i)->next;
    shared->behind[i] = __atomic_load_n(next, __ATOMIC_ACQUIRE);
    shared->is_noted[i] = false;
    __atomic_store_n(next, (void *)(noting_steps + i * STEP_SIZE), __ATOMIC_RELEASE);
  }
  return true;
}

void end_noting(void) {
  for (size_t i = 0; i < swiftlet_interpose_count(); i++)
    __atomic_store_n(swiftlet_interpose_covered(i)->next, shared->behind[i], __ATOMIC_RELEASE);
}

bool was_noted(const char *name) {
  for (size_t i = 0; i < swiftlet_interpose_count(); i++)
    if (strcmp(swiftlet_interpose_covered(i)->name, name) == 0) return shared->is_noted[i];
  return false;
}
