// Words a stack overflow: which coroutine, how large its stack was, how to raise it.
//
// The handler runs on the thread's signal stack. It only writes the message, puts the earlier handler back and
// returns, so that the fault repeats under it: Swift's backtracer then shows the frames of the culprit.
#define _GNU_SOURCE
#include "swiftlet_stack.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sigaction earlier_handler;

// snprintf is not async-signal-safe.
static char *append(char *end, char *limit, const char *text) {
  while (*text && end < limit) *end++ = *text++;
  return end;
}

static char *append_number(char *end, char *limit, uint64_t number) {
  char digits[24];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while (number /= 10);
  while (count && end < limit) *end++ = digits[--count];
  return end;
}

static void report(const swiftlet_context *context) {
  static const char *const kinds[] = {"thread", "generator", "greenlet", "fiber", "task", "scheduler"};
  static const char *const remedies[] = {
      "", "; raise it with Generator(stackSize:)", "; raise it with Greenlet(stackSize:)",
      "; raise it with spawn(stackSize:)", "; move the deep call into a fiber with spawn(stackSize:)", ""};
  char text[512], *end = text, *limit = text + sizeof text - 1;
  unsigned kind = context->kind < 6 ? context->kind : 0;
  end = append(end, limit, "fatal: stack overflow in ");
  end = append(end, limit, kinds[kind]);
  end = append(end, limit, " ");
  if (context->name) {
    end = append(end, limit, "'");
    end = append(end, limit, context->name);
    end = append(end, limit, "'");
  } else {
    end = append_number(end, limit, context->number);
  }
  end = append(end, limit, " (stack size ");
  end = append_number(end, limit, context->size >> 10);
  end = append(end, limit, " KB");
  end = append(end, limit, remedies[kind]);
  end = append(end, limit, ")");
  *end++ = '\n';
  if (write(STDERR_FILENO, text, (size_t)(end - text)) < 0) return;
}

static void on_fault(int signal, siginfo_t *information, void *machine_context) {
  (void)machine_context;
  const swiftlet_context *context = swiftlet_stack_overflowed(information->si_addr);
  if (context) report(context);
  sigaction(signal, &earlier_handler, NULL);
}

static void install_handler(void) {
  struct sigaction action = {0};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(SIGSEGV, &action, &earlier_handler);
}

enum { SIGNAL_STACK_SIZE = 64 << 10 };

void swiftlet_overflow_install(swiftlet_thread *thread) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  stack_t signal_stack;
  // An existing one (Swift's backtracer, a sanitizer) serves as well.
  if (sigaltstack(NULL, &signal_stack) == 0 && (signal_stack.ss_flags & SS_DISABLE)) {
    signal_stack.ss_flags = 0;
    signal_stack.ss_size = SIGNAL_STACK_SIZE;
    signal_stack.ss_sp = mmap(NULL, signal_stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (signal_stack.ss_sp != MAP_FAILED && sigaltstack(&signal_stack, NULL) == 0)
      thread->signal_stack = signal_stack.ss_sp;
  }
  pthread_once(&once, install_handler);
}

void swiftlet_overflow_remove(swiftlet_thread *thread) {
  stack_t signal_stack;
  if (!thread->signal_stack) return;
  // Somebody may have put another in its place.
  if (sigaltstack(NULL, &signal_stack) == 0 && signal_stack.ss_sp == thread->signal_stack) {
    signal_stack.ss_flags = SS_DISABLE;
    if (sigaltstack(&signal_stack, NULL) != 0) return;
  }
  munmap(thread->signal_stack, SIGNAL_STACK_SIZE);
  thread->signal_stack = NULL;
}
