// What gives up a descriptor's number wakes who waits for it, before the number can be another's. And `exit`: what runs
// after it must not be set aside any more.
#include "descriptors.h"
#include "interpose.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ALWAYS SWIFTLET_FAMILY_ALWAYS

static inline bool is_patched(void) { return __atomic_load_n(&interpose_families, __ATOMIC_ACQUIRE) != 0; }

static void closes(int descriptor) {
  interpose_forget(descriptor);
  if (!interpose_host->has_waits()) return;
  int reason = errno;
  interpose_host->wake((uint64_t)(unsigned)descriptor, INT_MAX, SWIFTLET_WAKE_CLOSED);
  errno = reason;
}

COVER(ALWAYS, int, close, int descriptor) {
  if (is_patched()) closes(descriptor);
  return NEXT(close)(descriptor);
}
COVER(ALWAYS, int, __close, int descriptor) {
  if (is_patched()) closes(descriptor);
  return NEXT(__close)(descriptor);
}
COVER(ALWAYS, int, dup2, int descriptor, int number) {
  if (is_patched() && descriptor != number) closes(number);
  return NEXT(dup2)(descriptor, number);
}
COVER(ALWAYS, int, __dup2, int descriptor, int number) {
  if (is_patched() && descriptor != number) closes(number);
  return NEXT(__dup2)(descriptor, number);
}
COVER(ALWAYS, int, dup3, int descriptor, int number, int flags) {
  if (is_patched() && descriptor != number) closes(number);
  return NEXT(dup3)(descriptor, number, flags);
}

static void closes_range(unsigned first, unsigned last) {
  enum { CLOSE_RANGE_LARGEST = 1 << 20 };
  for (unsigned number = first; number <= last && number < CLOSE_RANGE_LARGEST; number++) closes((int)number);
}

COVER(ALWAYS, int, close_range, unsigned first, unsigned last, int flags) {
  const int only_on_exec = 1 << 2;  // CLOSE_RANGE_CLOEXEC
  if (is_patched() && !(flags & only_on_exec)) closes_range(first, last);
  return NEXT(close_range)(first, last, flags);
}
COVER(ALWAYS, void, closefrom, int first) {
  if (is_patched()) closes_range(first < 0 ? 0 : (unsigned)first, UINT_MAX);
  NEXT(closefrom)(first);
}

COVER(ALWAYS, int, fclose, FILE *file) {
  if (is_patched() && file) closes(fileno(file));
  return NEXT(fclose)(file);
}
// A pipe to a child: its number is given up before the child is waited for.
COVER(ALWAYS, int, pclose, FILE *file) {
  if (is_patched() && file) closes(fileno(file));
  return NEXT(pclose)(file);
}
COVER(ALWAYS, FILE *, freopen, const char *path, const char *mode, FILE *file) {
  if (is_patched() && file && fileno(file) >= 0) closes(fileno(file));
  return NEXT(freopen)(path, mode, file);
}
COVER(ALWAYS, FILE *, freopen64, const char *path, const char *mode, FILE *file) {
  if (is_patched() && file && fileno(file) >= 0) closes(fileno(file));
  return NEXT(freopen64)(path, mode, file);
}
COVER(ALWAYS, int, closedir, DIR *folder) {
  if (is_patched()) closes(dirfd(folder));
  return NEXT(closedir)(folder);
}

COVER(ALWAYS, void, exit, int status) {
  __atomic_store_n(&interpose_families, 0, __ATOMIC_RELEASE);
  NEXT(exit)(status);
  __builtin_unreachable();
}
