// Backtraces of other threads and of parked stacks, without stopping the process.
#ifndef SWIFTLET_BACKTRACE_H
#define SWIFTLET_BACKTRACE_H

#include "swiftlet_context.h"

/// Lets the calling thread be asked: a thread that was started by one of Dispatch's inherits its blocked signals.
void swiftlet_backtrace_permit(void);

/// Interrupts the thread and stores what it is executing; answers how many frames, 0 when it did not answer in
/// 100 ms. One caller at a time. Uses SIGURG, whose default is to be ignored.
int swiftlet_backtrace_of_thread(int kernel_id, void **frames, int capacity);

/// The frames of a parked stack, by its frame-pointer chain. Only for a stack that is parked on this thread or
/// whose thread is known to stand still.
int swiftlet_backtrace_of_context(const swiftlet_context *context, void **frames, int capacity);

/// The function at an address and the offset in it: from the symbol tables of the loaded files. False if unknown.
bool swiftlet_symbol_at(const void *address, char *name, size_t capacity, size_t *offset);

#endif
