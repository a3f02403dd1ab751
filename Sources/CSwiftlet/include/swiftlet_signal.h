// Signals as events: the handler only writes the number into a pipe; a thread reads it there.
#ifndef SWIFTLET_SIGNAL_H
#define SWIFTLET_SIGNAL_H

#include <stdbool.h>

/// Makes the pipe, once a process. 0 or the negative errno.
int swiftlet_signal_open(void);

/// Catches the signal from now on. 0 or the negative errno.
int swiftlet_signal_watch(int signal);
/// Puts back the action that was in force before.
void swiftlet_signal_unwatch(int signal);

/// Blocks the calling thread until a watched signal comes; answers its number.
int swiftlet_signal_next(void);

#endif
