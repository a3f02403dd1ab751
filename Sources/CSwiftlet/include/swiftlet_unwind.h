// Backtraces from copies of stacks: of parked ones, and of threads that stand in a call to the kernel.
#ifndef SWIFTLET_UNWIND_H
#define SWIFTLET_UNWIND_H

#include <stdbool.h>
#include <stddef.h>

#include "swiftlet_context.h"

/// A copy of the upper part of a stack.
typedef struct swiftlet_stack_copy {
  const char *bytes;         // the copy
  const char *address;       // where its first byte lies in the original
  size_t size;
} swiftlet_stack_copy;

/// The frames of a stack, innermost first, by what compilers say of each function (.eh_frame), else by the chain of frame
/// pointers. `frame_pointer` NULL: not known, as the kernel does not tell it.
///
/// What a function does at an address is looked up once; so a hundred thousand stacks of one program take little more than
/// reading them.
int swiftlet_unwind(const swiftlet_stack_copy *copy, const void *program_counter, const void *stack_pointer,
                    const void *frame_pointer, void **frames, int capacity);

/// The same for a stack that is set aside: the copy begins at its stack pointer.
int swiftlet_unwind_context(const swiftlet_stack_copy *copy, const swiftlet_context *context, void **frames, int capacity);

#endif
