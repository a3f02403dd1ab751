#define _GNU_SOURCE
#include "swiftlet_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int add_actions(posix_spawn_file_actions_t *actions, const swiftlet_process_plan *plan) {
  int status = 0;
  // In this order a 1 in the last place means what standard output has become. Other sources are above 2.
  for (int i = 0; i < 3 && !status; i++) {
    if (plan->descriptors[i] >= 0)
      status = posix_spawn_file_actions_adddup2(actions, plan->descriptors[i], i);
    else
      status = posix_spawn_file_actions_addopen(actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0);
  }
  // Whatever some library of this process opened without O_CLOEXEC.
  if (!status) status = posix_spawn_file_actions_addclosefrom_np(actions, 3);
  if (!status && plan->directory) status = posix_spawn_file_actions_addchdir_np(actions, plan->directory);
  return status;
}

static int add_attributes(posix_spawnattr_t *attributes, const swiftlet_process_plan *plan) {
  sigset_t nothing, ignored;
  sigemptyset(&nothing);
  sigemptyset(&ignored);
  for (int signal = 1; signal < NSIG; signal++) {
    struct sigaction action;
    if (sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN) sigaddset(&ignored, signal);
  }
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (plan->leads_group ? POSIX_SPAWN_SETPGROUP : 0);
  int status = posix_spawnattr_setsigmask(attributes, &nothing);
  if (!status) status = posix_spawnattr_setsigdefault(attributes, &ignored);
  if (!status) status = posix_spawnattr_setpgroup(attributes, 0);
  if (!status) status = posix_spawnattr_setflags(attributes, flags);
  return status;
}

int swiftlet_process_start(const swiftlet_process_plan *plan, int *process, int *descriptor) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int status = posix_spawn_file_actions_init(&actions);
  if (status) return -status;
  status = posix_spawnattr_init(&attributes);
  if (status) {
    posix_spawn_file_actions_destroy(&actions);
    return -status;
  }
  pid_t child = -1;
  status = add_actions(&actions, plan);
  if (!status) status = add_attributes(&attributes, plan);
  if (!status)
    status = posix_spawnp(&child, plan->file, &actions, &attributes, plan->arguments,
                          plan->environment ? plan->environment : environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (status) return -status;
  // The number cannot be another's: the child stays on the kernel's list until this process takes it off.
  int handle = (int)syscall(SYS_pidfd_open, child, 0);
  if (handle < 0) {
    status = errno;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    return -status;
  }
  *process = child;
  *descriptor = handle;
  return 0;
}

int swiftlet_process_take_end(int descriptor, bool waits, int *code, bool *is_signal) {
  for (;;) {
    siginfo_t information = {0};
    int flags = WEXITED | (waits ? 0 : WNOHANG);
    if (waitid((idtype_t)P_PIDFD, (id_t)descriptor, &information, flags) != 0) {
      if (errno == EINTR) continue;
      return -errno;
    }
    if (information.si_pid == 0) return 0;
    *code = information.si_status;
    *is_signal = information.si_code != CLD_EXITED;
    return 1;
  }
}

bool swiftlet_process_has_ended(int descriptor) {
  siginfo_t information = {0};
  return waitid((idtype_t)P_PIDFD, (id_t)descriptor, &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_pid;
}

int swiftlet_process_signal(int descriptor, int signal) {
  return syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0) == 0 ? 0 : -errno;
}

int swiftlet_process_signal_group(int process, int signal) { return kill(-process, signal) == 0 ? 0 : -errno; }
