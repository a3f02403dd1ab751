// Kernel calls for worker processes. Every call answers a value of 0 or more, or the negative errno.
#ifndef SWIFTLET_POOL_H
#define SWIFTLET_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// The number under which a worker finds its socket.
enum { SWIFTLET_WORKER_SOCKET = 3 };

/// Two connected stream sockets that do not block and are closed on exec.
int swiftlet_pool_pair(int ends[2]);

/// Starts a program that inherits standard output, standard error and the socket, and nothing else; its standard input
/// is empty, no signal is blocked or handled. `assignment` is NAME=VALUE, and replaces an earlier value of that name.
/// Answers the process's id; `*process` is a descriptor that becomes readable when it has ended.
int swiftlet_pool_spawn(
    const char *path, const char *const *arguments, const char *assignment, int socket, int *process);

typedef struct swiftlet_pool_exit {
  int code;    // of exit(), or -1
  int signal;  // that ended it, or 0
  bool is_known;
} swiftlet_pool_exit;

/// How a process that has ended did so; frees its entry in the process table.
swiftlet_pool_exit swiftlet_pool_reap(int process);
int swiftlet_pool_signal(int process, int signal);

/// To be called first in a worker: it ends with its parent, and leaves Ctrl-C to it.
int swiftlet_pool_become_worker(int parent);

/// Sends bytes, and a descriptor with them unless it is -1.
long swiftlet_pool_send(int socket, const void *bytes, size_t size, int passed);
/// Sends bytes from two places, one after the other.
long swiftlet_pool_send_both(int socket, const void *first, size_t first_size, const void *second, size_t second_size);
/// `*passed` is a descriptor that came with the bytes, -1 if none did, -2 if one did and this process has no room for it.
long swiftlet_pool_receive(int socket, void *buffer, size_t size, int *passed);
int swiftlet_pool_shut_down(int socket);

/// Memory that can be sent as a descriptor, which is the result; or -errno.
int swiftlet_pool_share(size_t size, void **start);
/// The memory behind a descriptor, to be read; NULL with errno set if it cannot be mapped or is smaller.
const void *swiftlet_pool_map(int descriptor, size_t size);
/// Fresh memory of megabytes is about to be written: a page of 2 MB costs a fraction of 512 small ones.
void swiftlet_pool_prefer_huge_pages(const void *start, size_t size);
void swiftlet_pool_unmap(const void *memory, size_t size);

/// What tells this build of the running program from others, as text.
void swiftlet_pool_build_identity(char *text, size_t capacity);

#endif
