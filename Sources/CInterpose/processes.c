// waitpid and its kin: a child is a descriptor that becomes readable at its end. For any child, and for stops and
// continuations, there is none: then another thread waits, without taking what it sees.
#include "interpose.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES SWIFTLET_FAMILY_PROCESSES

COVER(PROCESSES, pid_t, wait4, pid_t child, int *status, int options, struct rusage *usage);
COVER(PROCESSES, int, waitid, idtype_t kind, id_t which, siginfo_t *information, int options);

/// What another thread looks at, as long as somebody wants to know or it takes.
typedef struct watch {
  atomic_int owners;
  idtype_t kind;
  id_t which;
  int options;
} watch;

static void leave_watch(watch *watch) {
  if (atomic_fetch_sub(&watch->owners, 1) == 1) free(watch);
}

static void look_at_children(void *argument) {
  watch *watch = argument;
  siginfo_t information;
  while (NEXT(waitid)(watch->kind, watch->which, &information, watch->options | WNOWAIT) != 0 && errno == EINTR) {}
  leave_watch(watch);
}

/// Waits until asking again makes sense. Answers an outcome.
static int wait_for_change(const void *stack, idtype_t kind, id_t which, int options) {
  if (kind == P_PID && !(options & (WSTOPPED | WCONTINUED))) {
    int child = (int)syscall(SYS_pidfd_open, which, 0);
    if (child >= 0) {
      int outcome = interpose_wait(stack, child, false, UINT64_MAX, true);
      syscall(SYS_close, child);
      return outcome;
    }
  }
  struct watch *watch = malloc(sizeof *watch);
  if (!watch) return SWIFTLET_FOREIGN_REFUSED;
  atomic_init(&watch->owners, 2);
  watch->kind = kind;
  watch->which = which;
  watch->options = options;
  int outcome = interpose_offload(stack, look_at_children, watch, true, false);
  if (outcome == SWIFTLET_FOREIGN_REFUSED) leave_watch(watch);
  leave_watch(watch);
  return outcome;
}

pid_t wait4(pid_t child, int *status, int options, struct rusage *usage) {
  const void *stack = options & WNOHANG ? NULL : interpose_gate(PROCESSES);
  if (!stack) return NEXT(wait4)(child, status, options, usage);
  for (;;) {
    pid_t found = NEXT(wait4)(child, status, options | WNOHANG, usage);
    if (found != 0) return found;
    idtype_t kind = child > 0 ? P_PID : child == -1 ? P_ALL : P_PGID;
    id_t which = child > 0 ? (id_t)child : child < -1 ? (id_t)-child : child == 0 ? (id_t)getpgrp() : 0;
    // waitid names ends, and calls stops by another name of the same value (WUNTRACED).
    int outcome = wait_for_change(stack, kind, which, options | WEXITED);
    if (outcome == SWIFTLET_FOREIGN_READY) continue;
    if (outcome == SWIFTLET_FOREIGN_REFUSED) return NEXT(wait4)(child, status, options, usage);
    errno = interpose_errno(outcome);
    return -1;
  }
}

int waitid(idtype_t kind, id_t which, siginfo_t *information, int options) {
  const void *stack = options & WNOHANG ? NULL : interpose_gate(PROCESSES);
  siginfo_t unused;
  if (!stack) return NEXT(waitid)(kind, which, information, options);
  if (!information) information = &unused;
  for (;;) {
    information->si_pid = 0;
    int result = NEXT(waitid)(kind, which, information, options | WNOHANG);
    if (result != 0 || information->si_pid != 0) return result;
    int outcome = kind == (idtype_t)P_PIDFD && !(options & (WSTOPPED | WCONTINUED))
                      ? interpose_wait(stack, (int)which, false, UINT64_MAX, true)
                      : wait_for_change(stack, kind, which, options);
    if (outcome == SWIFTLET_FOREIGN_READY) continue;
    if (outcome == SWIFTLET_FOREIGN_REFUSED) return NEXT(waitid)(kind, which, information, options);
    errno = interpose_errno(outcome);
    return -1;
  }
}

COVER(PROCESSES, pid_t, waitpid, pid_t child, int *status, int options) {
  return interpose_gate(PROCESSES) ? wait4(child, status, options, NULL) : NEXT(waitpid)(child, status, options);
}
COVER(PROCESSES, pid_t, __waitpid, pid_t child, int *status, int options) {
  return interpose_gate(PROCESSES) ? wait4(child, status, options, NULL) : NEXT(__waitpid)(child, status, options);
}
COVER(PROCESSES, pid_t, wait, int *status) {
  return interpose_gate(PROCESSES) ? wait4(-1, status, 0, NULL) : NEXT(wait)(status);
}
COVER(PROCESSES, pid_t, __wait, int *status) {
  return interpose_gate(PROCESSES) ? wait4(-1, status, 0, NULL) : NEXT(__wait)(status);
}
COVER(PROCESSES, pid_t, wait3, int *status, int options, struct rusage *usage) {
  return interpose_gate(PROCESSES) ? wait4(-1, status, options, usage) : NEXT(wait3)(status, options, usage);
}
