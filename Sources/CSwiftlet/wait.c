#define _GNU_SOURCE
#include "swiftlet_wait.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

swiftlet_wait swiftlet_wait_begin_blocking(swiftlet_thread *thread) {
  pthread_mutex_lock(&thread->blocking_lock);
  uint64_t id = thread->blocking_wait = ++thread->last_wait_id;
  pthread_mutex_unlock(&thread->blocking_lock);
  return (swiftlet_wait){thread, NULL, id};
}

bool swiftlet_wait_decide_elsewhere(swiftlet_wait wait, int outcome) {
  if (wait.context) {
    uint64_t item = (uint64_t)(uintptr_t)wait.context | SWIFTLET_ITEM_DECISION;
    return swiftlet_inbox_post(&wait.thread->inbox, 0, item, wait.id << 3 | (uint64_t)outcome);
  }
  pthread_mutex_lock(&wait.thread->blocking_lock);
  bool decides = wait.thread->blocking_wait == wait.id;
  if (decides) {
    wait.thread->blocking_wait = 0;
    wait.thread->blocking_outcome = outcome;
    pthread_cond_signal(&wait.thread->blocking_condition);
  }
  pthread_mutex_unlock(&wait.thread->blocking_lock);
  return decides;
}

int swiftlet_wait_block(swiftlet_wait wait, uint64_t limit) {
  swiftlet_thread *thread = wait.thread;
  struct timespec time = {(time_t)(limit / 1000000000u), (long)(limit % 1000000000u)};
  pthread_mutex_lock(&thread->blocking_lock);
  while (thread->blocking_wait == wait.id) {
    if (thread->blocking_looks_again) {
      thread->blocking_looks_again = false;
      pthread_mutex_unlock(&thread->blocking_lock);
      return SWIFTLET_OUTCOME_LOOK_AGAIN;
    }
    if (limit == UINT64_MAX) {
      pthread_cond_wait(&thread->blocking_condition, &thread->blocking_lock);
    } else if (pthread_cond_timedwait(&thread->blocking_condition, &thread->blocking_lock, &time) == ETIMEDOUT &&
               thread->blocking_wait == wait.id) {
      thread->blocking_wait = 0;
      thread->blocking_outcome = SWIFTLET_OUTCOME_TIMED_OUT;
    }
  }
  int outcome = thread->blocking_outcome;
  pthread_mutex_unlock(&thread->blocking_lock);
  return outcome;
}

void swiftlet_wait_look_again(swiftlet_thread *thread) {
  pthread_mutex_lock(&thread->blocking_lock);
  thread->blocking_looks_again = true;
  pthread_cond_signal(&thread->blocking_condition);
  pthread_mutex_unlock(&thread->blocking_lock);
}

void swiftlet_wait_abandon(swiftlet_wait wait) {
  if (wait.context) {
    wait.context->wait_id = 0;
    return;
  }
  pthread_mutex_lock(&wait.thread->blocking_lock);
  wait.thread->blocking_wait = 0;
  pthread_mutex_unlock(&wait.thread->blocking_lock);
}

void swiftlet_spin(unsigned round) {
  if (round < 128) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  } else if (round < 1024) {
    sched_yield();
  } else {
    // The holder does not get to run: on one processor, with a lower priority than ours.
    // Not by its name, which may have been made to park: locks are held here.
    syscall(SYS_nanosleep, &(struct timespec){0, 50000}, NULL);
  }
}

static swiftlet_context *lead(void *core) {
  swiftlet_loop_core *of = core;
  return of->lead(of->loop);
}

swiftlet_context *swiftlet_leader_make(swiftlet_loop_core *core, swiftlet_thread *thread) {
  swiftlet_context *leader = swiftlet_stack_acquire(thread, SWIFTLET_STACK_DEFAULT_SIZE);
  if (!leader) {
    perror("fatal: no stack for the event loop to go on (raise vm.max_map_count or keep fewer coroutines)");
    abort();
  }
  swiftlet_context_start(leader, lead, core);
  leader->kind = SWIFTLET_KIND_SCHEDULER;
  return leader;
}
