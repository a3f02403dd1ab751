#include "descriptors.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

belief interpose_beliefs[DESCRIPTORS];
uint32_t interpose_low_marks;

descriptor_kind interpose_set_kind(int descriptor, descriptor_kind kind) {
  if ((unsigned)descriptor < DESCRIPTORS)
    __atomic_store_n(&interpose_beliefs[descriptor].kind, (uint8_t)kind, __ATOMIC_RELAXED);
  return kind;
}

static bool is_event(int descriptor) {
  static const char wanted[] = "anon_inode:[eventfd]";
  char path[40], target[sizeof wanted];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(path, target, sizeof target);
  return length == (ssize_t)sizeof wanted - 1 && memcmp(target, wanted, (size_t)length) == 0;
}

descriptor_kind interpose_find_kind(int descriptor) {
  int reason = errno;
  struct stat status;
  if (descriptor < 0) return KIND_UNKNOWN;
  if (fstat(descriptor, &status) != 0) return KIND_UNKNOWN;
  descriptor_kind kind = KIND_QUICK;
  if (S_ISSOCK(status.st_mode)) {
    int type = 0;
    socklen_t size = sizeof type;
    getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size);
    kind = type == SOCK_DGRAM ? KIND_DATAGRAM : KIND_SOCKET;
  } else if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode)) {
    kind = KIND_FILE;
  } else if ((status.st_mode & S_IFMT) == 0 && is_event(descriptor)) {
    kind = KIND_EVENT;
  }
  errno = reason;
  return interpose_set_kind(descriptor, kind);
}

bool interpose_expects_nothing(int descriptor) {
  enum { ENOUGH = 4, ONE_LOOK_IN = 16 };
  if ((unsigned)descriptor >= DESCRIPTORS) return false;
  uint8_t *looks = &interpose_beliefs[descriptor].vain_looks, vain = __atomic_load_n(looks, __ATOMIC_RELAXED);
  if (vain < ENOUGH) return false;
  // Now and then it is looked at all the same.
  __atomic_store_n(looks, vain + 1 < ENOUGH + ONE_LOOK_IN ? vain + 1 : ENOUGH - 1, __ATOMIC_RELAXED);
  return true;
}

void interpose_note_look(int descriptor, bool found) {
  if ((unsigned)descriptor >= DESCRIPTORS) return;
  uint8_t *looks = &interpose_beliefs[descriptor].vain_looks, vain = __atomic_load_n(looks, __ATOMIC_RELAXED);
  if (found ? vain != 0 : vain < 255) __atomic_store_n(looks, found ? 0 : vain + 1, __ATOMIC_RELAXED);
}

void interpose_forget_all(void) {
  for (int i = 0; i < DESCRIPTORS; i++) interpose_forget(i);
}
