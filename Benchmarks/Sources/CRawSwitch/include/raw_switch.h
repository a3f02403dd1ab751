// The bare switch, in C as its peers are: Swift's optimizer does not always inline what the library's own hot paths do.
#ifndef RAW_SWITCH_H
#define RAW_SWITCH_H

/// Switches `count` times between the running stack and another. False when there was no memory for that one.
/// The calling thread must have used a coroutine before, so that it has its record.
_Bool raw_switch(long count);

/// What whoever leaves a stack must do by the ABI: stores and loads the floating-point control words, so often.
void raw_control_words(long count);

/// Installs the guard of so many stacks and touches the first page of each. False when there was no memory.
_Bool raw_stacks(long count);

#endif
