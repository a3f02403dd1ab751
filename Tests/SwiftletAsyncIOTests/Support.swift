import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

/// Runs the body in the main fiber of a loop on a thread of its own. It must park, and leave no stack.
func onLoop(
    parks: Bool = true, at place: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable () throws -> Void
) async throws {
    ReportLog.begin()
    try await onFreshThread { () throws -> Void in
        try EventLoop.run(takesOver: false) { () throws -> Void in
            let loop = try EventLoop.current
            let before = loop.statistics.parks
            try body()
            if parks { #expect(loop.statistics.parks > before, "nothing parked", sourceLocation: place) }
        }
        #expect(swiftlet_stack_count(currentThread()).live == 0, "stacks are left", sourceLocation: place)
    }
}

/// Runs the body in the main task of a loop on a thread of its own. It must park, and leave no stack.
func onTaskLoop(
    parks: Bool = true, at place: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (EventLoop) async throws -> Void
) async throws {
    ReportLog.begin()
    try await onFreshThread { () throws -> Void in
        try EventLoop.run(takesOver: false) { () async throws -> Void in
            let loop = try EventLoop.current
            let before = loop.statistics.parks
            try await body(loop)
            #expect(loop.isCurrent, sourceLocation: place)
            if parks { #expect(loop.statistics.parks > before, "nothing parked", sourceLocation: place) }
        }
        #expect(swiftlet_stack_count(currentThread()).live == 0, "stacks are left", sourceLocation: place)
    }
}

/// How long the body takes.
func elapsed(_ body: () throws -> Void) rethrows -> Duration { try ContinuousClock().measure(body) }

/// A synchronous pause, called where a task must not see that it parks.
func nap(_ milliseconds: Int = 1) throws { try sleep(.milliseconds(milliseconds)) }

/// The two ends of a pipe.
func makePipe() -> (reading: CInt, writing: CInt) {
    var ends: [CInt] = [0, 0]
    precondition(pipe(&ends) == 0)
    for end in ends {
        _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    return (ends[0], ends[1])
}

func writeByte(_ descriptor: CInt) {
    var byte: UInt8 = 1
    precondition(write(descriptor, &byte, 1) == 1)
}

/// Reads one byte; false when there is none.
func readByte(_ descriptor: CInt) -> Bool {
    var byte: UInt8 = 0
    return read(descriptor, &byte, 1) == 1
}

/// Lets the others run once: in place, unlike `Task.yield()`, which goes by way of another thread.
func turn() throws { try yield() }
