// Counts what the process allocates: a program that is linked with this has malloc and its relatives counted, on each thread.
#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

#include <stdint.h>

/// How many pieces of memory the calling thread has asked for since it began.
uint64_t allocation_count(void);

#endif
