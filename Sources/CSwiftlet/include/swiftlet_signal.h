// Signals as readable descriptors, beside whatever handlers the program has.
#ifndef SWIFTLET_SIGNAL_H
#define SWIFTLET_SIGNAL_H

#include <stdbool.h>

/// An eventfd that becomes readable each time the signal comes, or -1 with errno set. An earlier handler is still
/// called; a default action no longer happens. `once`: with the first signal the earlier action is back in force, so
/// that the second one acts on the process even if nobody reads the descriptor.
int swiftlet_signal_listen(int signal, bool once);

/// A descriptor that is readable while one of the others is; -1 with errno set.
int swiftlet_signal_any_of(const int *descriptors, int count);

/// Ends listening and closes the descriptor. With the last listener the earlier action comes back, unless the program
/// has set another one since. Answers how many signals had come that nobody took.
unsigned long swiftlet_signal_forget(int signal, int descriptor);

/// Nobody has said what the signal should do, apart from listeners here.
bool swiftlet_signal_is_default(int signal);

/// Takes what has come; answers how many signals that were, 0 if none.
unsigned long swiftlet_signal_take(int descriptor);

#endif
