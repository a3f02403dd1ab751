// What the inspector needs of C: the environment's wish, a signal that starts it, a file that goes with the process.
#ifndef SWIFTLET_INSPECT_H
#define SWIFTLET_INSPECT_H

/// Begins the inspection that the environment asks for, if the program is linked with it. Once, when the first loop is made.
/// Answers whether it is asked for and cannot be had.
int swiftlet_inspect_as_asked(void);

/// An eventfd, or -1.
int swiftlet_inspect_event(void);

/// The next connection of a listener, or -1.
int swiftlet_inspect_accept(int listener);

/// An eventfd that is written when the signal comes, or -1 if it cannot be caught.
int swiftlet_inspect_signal_watch(int signal);

/// The file that is removed when the process exits; empty: none.
void swiftlet_inspect_unlink_at_exit(const char *path);

#endif
