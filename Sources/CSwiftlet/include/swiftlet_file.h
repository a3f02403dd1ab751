// Files and pipes. Every call answers a value of 0 or more, or the negative errno; EINTR is retried here. Calls go through
// the seam of swiftlet_socket.h.
#ifndef SWIFTLET_FILE_H
#define SWIFTLET_FILE_H

#include <stdbool.h>

/// 0 at the end. A file without positions is read where it stands. `only_cached`: -EAGAIN rather than wait for the disk.
long swiftlet_file_read(int descriptor, void *buffer, long size, long offset, bool only_cached);
/// A part may be written. A file without positions is written where it stands.
long swiftlet_file_write(int descriptor, const void *bytes, long size, long offset);
int swiftlet_file_sync(int descriptor);
/// Sends a part of a file to a socket, without moving in the file; -ENODATA when the file ends before, -EPIPE without the
/// signal.
long swiftlet_file_send(int descriptor, int socket, long offset, long size);

/// The same, or a duplicate in its place if it is 0 to 2: in a process without standard streams. -1 and errno if it cannot be.
int swiftlet_file_above_standard(int descriptor);

/// Two ends that do not block and are closed on exec.
int swiftlet_pipe_make(int *reading, int *writing);
/// 0 when the last writer has gone.
long swiftlet_pipe_read(int descriptor, void *buffer, long size);
/// -EPIPE when the last reader has gone: without the signal that would end the process.
long swiftlet_pipe_write(int descriptor, const void *bytes, long size);

#endif
