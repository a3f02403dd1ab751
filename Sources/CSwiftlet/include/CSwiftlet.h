// CSwiftlet: what Swift cannot say. Context switch, stacks with guards, the Swift runtime's
// thread state, and thin shims over kernel calls that Glibc's Swift module does not offer.
//
// No header here is public API of the package.
#ifndef SWIFTLET_CSWIFTLET_H
#define SWIFTLET_CSWIFTLET_H

#include "swiftlet_context.h"
#include "swiftlet_stack.h"
#include "swiftlet_thread_state.h"
#include "swiftlet_queue.h"
#include "swiftlet_wait.h"
#include "swiftlet_kernel.h"
#include "swiftlet_socket.h"
#include "swiftlet_file.h"
#include "swiftlet_process.h"
#include "swiftlet_backtrace.h"
#include "swiftlet_signal.h"
#include "swiftlet_foreign.h"
#include "swiftlet_peek.h"
#include "swiftlet_unwind.h"
#include "swiftlet_trace.h"
#include "swiftlet_inspect.h"

#endif
