// Lists of buffers of which a part has been written.
#ifndef SWIFTLET_VECTORS_H
#define SWIFTLET_VECTORS_H

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/// The rest of a list after `done` bytes, in `copy`, which has room for it. Answers how many entries it has.
static inline int vectors_rest(const struct iovec *vectors, int count, size_t done, struct iovec *copy) {
  int kept = 0;
  for (int i = 0; i < count; i++) {
    if (done >= vectors[i].iov_len) {
      done -= vectors[i].iov_len;
      continue;
    }
    copy[kept++] = (struct iovec){(char *)vectors[i].iov_base + done, vectors[i].iov_len - done};
    done = 0;
  }
  return kept;
}

static inline size_t vectors_size(const struct iovec *vectors, int count) {
  size_t size = 0;
  for (int i = 0; i < count; i++) size += vectors[i].iov_len;
  return size;
}

#endif
