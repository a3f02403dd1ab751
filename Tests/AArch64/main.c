// A hundred coroutines in a ring, then generators: what must survive a switch is mixed into one checksum, the same on
// every processor. Registers: numbers that live across the switch, more of them than are saved. Per stack: errno and the
// rounding mode, under which the sums differ in their last bits.
#include "CSwiftlet.h"

#include <errno.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COROUTINES = 100, ROUNDS = 50, KEPT = 12 };

static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
static swiftlet_context *ring[COROUTINES];
static uint64_t checksum = 14695981039346656037u;
static uint64_t element;

static void mix(uint64_t value) { checksum = (checksum ^ value) * 1099511628211u; }

static void mix_number(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  mix(bits);
}

static void check(bool holds, const char *what, int index) {
  if (holds) return;
  fprintf(stderr, "%s is wrong in coroutine %d\n", what, index);
  exit(1);
}

static swiftlet_context *run_member(void *argument) {
  int index = (int)(intptr_t)argument;
  swiftlet_context *next = index + 1 < COROUTINES ? ring[index + 1] : ring[0];
  fesetround(modes[index % 4]);
  volatile double three = 3;  // or the compiler would divide, in its own rounding mode
  double a = index, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7, i = 8, j = 9;
  uint64_t words[KEPT];
  for (int k = 0; k < KEPT; k++) words[k] = (uint64_t)index * 31 + (uint64_t)k;
  for (int round = 0; round < ROUNDS; round++) {
    errno = 1000 + index;
    swiftlet_switch(next);
    check(errno == 1000 + index, "errno", index);
    check(fegetround() == modes[index % 4], "the rounding mode", index);
    a += b / three; b += c / three; c += d / three; d += e / three; e += f / three;
    f += g / three; g += h / three; h += i / three; i += j / three; j += 1 / three;
    for (int k = 0; k < KEPT; k++) words[k] = words[k] * 6364136223846793005u + (uint64_t)round;
  }
  double kept[] = {a, b, c, d, e, f, g, h, i, j};
  for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) mix_number(kept[k]);
  for (int k = 0; k < KEPT; k++) mix(words[k]);
  return index + 1 < COROUTINES ? next : swiftlet_thread_root(swiftlet_thread_if_made());
}

static swiftlet_context *run_generator(void *argument) {
  swiftlet_context *self = argument;
  double sum = 0;
  for (uint64_t number = 0; number < ROUNDS; number++) {
    sum += 1.0 / (double)(number + 1);
    element = number;
    swiftlet_suspend_generator(self);
  }
  mix_number(sum);
  return self->resumer;
}

static swiftlet_context *make(swiftlet_kind kind) {
  swiftlet_context *context = swiftlet_stack_acquire(swiftlet_thread_if_made(), SWIFTLET_STACK_DEFAULT_SIZE);
  check(context != NULL, "memory", 0);
  context->kind = (uint8_t)kind;
  return context;
}

int main(void) {
  swiftlet_thread *thread = swiftlet_thread_make();
  for (int index = 0; index < COROUTINES; index++) {
    ring[index] = make(SWIFTLET_KIND_GREENLET);
    swiftlet_context_start(ring[index], run_member, (void *)(intptr_t)index);
  }
  errno = 7;
  swiftlet_switch(ring[0]);
  check(errno == 7 && fegetround() == FE_TONEAREST, "the thread's own state", -1);
  for (int index = 0; index < COROUTINES; index++) {
    swiftlet_context *generator = make(SWIFTLET_KIND_GENERATOR);
    swiftlet_context_start(generator, run_generator, generator);
    for (int round = 0; round <= ROUNDS; round++) {
      swiftlet_resume_generator(generator);
      mix(element);
    }
  }
  check(swiftlet_stack_count(thread).live == 0, "the count of stacks", -1);
  printf("%016llx\n", (unsigned long long)checksum);
  return 0;
}
