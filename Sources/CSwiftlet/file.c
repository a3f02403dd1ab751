#define _GNU_SOURCE
#include "swiftlet_file.h"
#include "swiftlet_socket.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

long swiftlet_file_read(int descriptor, void *buffer, long size, long offset, bool only_cached) {
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_READ, descriptor, size);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return allowed;
    struct iovec part = {buffer, (size_t)allowed};
    long count = only_cached ? preadv2(descriptor, &part, 1, offset, RWF_NOWAIT)
                             : pread(descriptor, buffer, (size_t)allowed, offset);
    if (count < 0 && errno == ESPIPE && !only_cached) count = read(descriptor, buffer, (size_t)allowed);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

long swiftlet_file_write(int descriptor, const void *bytes, long size, long offset) {
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_WRITE, descriptor, size);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return allowed;
    long count = pwrite(descriptor, bytes, (size_t)allowed, offset);
    if (count < 0 && errno == ESPIPE) return swiftlet_pipe_write(descriptor, bytes, allowed);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

int swiftlet_file_sync(int descriptor) {
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_SYNC, descriptor, 0);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return (int)allowed;
    if (fsync(descriptor) == 0) return 0;
    if (errno != EINTR) return -errno;
  }
}

int swiftlet_file_above_standard(int descriptor) {
  if (descriptor < 0 || descriptor > 2) return descriptor;
  int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  int reason = errno;
  close(descriptor);
  errno = reason;
  return moved;
}

int swiftlet_pipe_make(int *reading, int *writing) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  *reading = swiftlet_file_above_standard(ends[0]);
  int reason = errno;
  *writing = swiftlet_file_above_standard(ends[1]);
  if (*reading >= 0 && *writing >= 0) return 0;
  if (*reading >= 0) reason = errno;
  close(*reading);
  close(*writing);
  return -reason;
}

long swiftlet_pipe_read(int descriptor, void *buffer, long size) {
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_RECEIVE, descriptor, size);
    if (allowed == -EINTR) continue;
    if (allowed < 0) return allowed;
    long count = read(descriptor, buffer, (size_t)allowed);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

// SIGPIPE goes to the thread that writes: held back meanwhile, and taken away. It may come with a part that was written, too.
struct held_signal {
  sigset_t set, earlier;
};

static void hold_pipe_signal(struct held_signal *held) {
  sigemptyset(&held->set);
  sigaddset(&held->set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &held->set, &held->earlier);
}

static void take_pipe_signal(struct held_signal *held) {
  // Who holds it back anyway sees to it.
  if (sigismember(&held->earlier, SIGPIPE)) return;
  struct timespec now = {0};
  while (sigtimedwait(&held->set, NULL, &now) < 0 && errno == EINTR) {}
  pthread_sigmask(SIG_SETMASK, &held->earlier, NULL);
}

long swiftlet_pipe_write(int descriptor, const void *bytes, long size) {
  struct held_signal held;
  hold_pipe_signal(&held);
  long result;
  do {
    result = swiftlet_socket_ask(SWIFTLET_CALL_SEND, descriptor, size);
    if (result >= 0) result = write(descriptor, bytes, (size_t)result);
    if (result == -1) result = -errno;
  } while (result == -EINTR);
  take_pipe_signal(&held);
  return result;
}

long swiftlet_file_send(int descriptor, int socket, long offset, long size) {
  enum { LARGEST = 1 << 20 };  // so that one fast peer does not hold up the others
  struct held_signal held;
  hold_pipe_signal(&held);
  long result;
  do {
    result = swiftlet_socket_ask(SWIFTLET_CALL_SEND, socket, size < LARGEST ? size : LARGEST);
    off_t position = offset;
    if (result >= 0) result = sendfile(socket, descriptor, &position, (size_t)result);
    if (result == -1) result = -errno;
  } while (result == -EINTR);
  take_pipe_signal(&held);
  return result == 0 ? -ENODATA : result;
}
