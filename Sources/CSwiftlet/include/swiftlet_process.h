// Child processes. Every call answers a value of 0 or more, or the negative errno.
#ifndef SWIFTLET_PROCESS_H
#define SWIFTLET_PROCESS_H

#include <stdbool.h>

typedef struct swiftlet_process_plan {
  const char *file;             // looked for in PATH if it has no slash
  char *const *arguments;       // with the name first; ends with NULL
  char *const *environment;     // ends with NULL; NULL: this process's
  const char *directory;        // NULL: this process's
  int descriptors[3];           // what becomes 0, 1 and 2: itself, one above 2, or -1, so /dev/null; 1 as the last: as 1
  bool leads_group;             // makes it the leader of a process group of its own
} swiftlet_process_plan;

/// Starts a process that inherits nothing but the three descriptors, with no signal blocked and default handling of
/// those that this process ignores.
int swiftlet_process_start(const swiftlet_process_plan *plan, int *process, int *descriptor);
/// Whether it has ended, and then how: the descriptor is that of the process. Takes the process off the kernel's list.
/// 1: ended, 0: still runs.
int swiftlet_process_take_end(int descriptor, bool waits, int *code, bool *is_signal);
/// Whether it has ended; leaves it on the list.
bool swiftlet_process_has_ended(int descriptor);
int swiftlet_process_signal(int descriptor, int signal);
int swiftlet_process_signal_group(int process, int signal);

#endif
