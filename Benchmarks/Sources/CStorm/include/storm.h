#ifndef STORM_H
#define STORM_H

#include <stdbool.h>
#include <stdint.h>

/// Installs the signal handler. To be called first.
void storm_install(void);

/// Begins or ends taking a backtrace after every single instruction of this thread. False: this processor has no such
/// mode for programs.
bool storm_step(bool begins);

/// Takes a backtrace of the calling thread a thousand times a second, wherever it is, until the thread ends. False with
/// errno set when the kernel has no timer for it.
bool storm_begin_on_this_thread(void);

/// Backtraces taken so far.
uint64_t storm_signals(void);

#endif
