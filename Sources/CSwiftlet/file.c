#define _GNU_SOURCE
#include "swiftlet_file.h"
#include "swiftlet_socket.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
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

long swiftlet_pipe_write(int descriptor, const void *bytes, long size) {
  // SIGPIPE goes to the thread that writes: held back meanwhile, and taken away if this write has raised it.
  sigset_t pipe_signal, earlier, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  bool was_pending = sigismember(&pending, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &earlier);
  long result;
  for (;;) {
    long allowed = swiftlet_socket_ask(SWIFTLET_CALL_SEND, descriptor, size);
    if (allowed == -EINTR) continue;
    result = allowed < 0 ? allowed : write(descriptor, bytes, (size_t)allowed);
    if (allowed < 0 || result >= 0) break;
    result = -errno;
    if (result != -EINTR) break;
  }
  if (result == -EPIPE && !was_pending) {
    struct timespec now = {0};
    while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR) {}
  }
  pthread_sigmask(SIG_SETMASK, &earlier, NULL);
  return result;
}
