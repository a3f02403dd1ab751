// Regular files: reading what is not in the page cache waits for the disk, which no readiness tells.
#ifndef SWIFTLET_FILES_H
#define SWIFTLET_FILES_H

#include <sys/types.h>

/// `offset` -1: at the file's own position.
ssize_t interpose_read_file(const void *stack, int descriptor, void *buffer, size_t size, off_t offset);

#endif
