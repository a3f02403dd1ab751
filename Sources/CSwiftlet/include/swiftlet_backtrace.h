// Backtraces of other threads and of parked stacks, without stopping the process.
#ifndef SWIFTLET_BACKTRACE_H
#define SWIFTLET_BACKTRACE_H

#include "swiftlet_context.h"
#include "swiftlet_peek.h"

/// Lets the calling thread be asked: a thread that was started by one of Dispatch's inherits its blocked signals.
void swiftlet_backtrace_permit(void);

/// Interrupts the thread and stores what it is executing; answers how many frames, 0 when it did not answer in
/// 100 ms. Uses SIGURG, whose default is to be ignored.
int swiftlet_backtrace_of_thread(int kernel_id, void **frames, int capacity);

/// The caller's own frames by the chain of frame pointers: quick, and ends early in code without them.
int swiftlet_backtrace_here(void **frames, int capacity);

/// What the thread does, and where. One that stands in a call to the kernel is read as it stands: a signal would end a sleep
/// early, and other calls that are not restarted. One that computes is asked by the signal. Answers how many frames.
int swiftlet_backtrace_of_work(int kernel_id, void **frames, int capacity, swiftlet_thread_look *look);

/// The frames of a parked stack, by its frame-pointer chain. Only for a stack that is parked on this thread or
/// whose thread is known to stand still.
int swiftlet_backtrace_of_context(const swiftlet_context *context, void **frames, int capacity);

/// The function at an address and the offset in it: from the symbol tables of the loaded files. False if unknown.
bool swiftlet_symbol_at(const void *address, char *name, size_t capacity, size_t *offset);

/// The name of the program or library in which an address lies, without its folder, and where in it. False if it lies in none.
bool swiftlet_object_at(const void *address, char *name, size_t capacity, size_t *offset);

#endif
