import CSwiftlet
import Glibc
import Swiftlet
import SwiftletTesting
import TestSupport
import Testing

/// Runs the body in the main task of a loop on a thread of its own. It leaves no stack and no task.
func onLoop(
    at place: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable (EventLoop) async throws -> Void
) async throws {
    ReportLog.begin()
    try await onFreshThread { () throws -> Void in
        try EventLoop.run(takesOver: false) { () async throws -> Void in
            let loop = try EventLoop.current
            try await body(loop)
            #expect(loop.isCurrent, sourceLocation: place)
            #expect(loop.allTasks.isEmpty, "tasks are left", sourceLocation: place)
        }
        #expect(swiftlet_stack_count(currentThread()).live == 0, "stacks are left", sourceLocation: place)
    }
}

/// Runs the body in the main task of a loop whose clock stands until all wait: what is to come first does, on any machine. It
/// leaves no task.
func onSimulatedLoop(
    at place: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable (EventLoop) async throws -> Void
) async throws {
    try await simulate { () async throws -> Void in
        let loop = try EventLoop.current
        try await body(loop)
        #expect(loop.isCurrent, sourceLocation: place)
        #expect(loop.allTasks.isEmpty, "tasks are left", sourceLocation: place)
    }
}

/// Runs the body on the own stack of a thread, with its loop, which is closed afterwards.
func onOwnStack(_ body: @escaping @Sendable (EventLoop) throws -> Void) async throws {
    ReportLog.begin()
    try await onFreshThread { () throws -> Void in
        let loop = try EventLoop.current
        try body(loop)
        try loop.close()
        #expect(swiftlet_stack_count(currentThread()).live == 0, "stacks are left")
    }
}

/// How long the body takes.
func elapsed(_ body: () async throws -> Void) async rethrows -> Duration { try await ContinuousClock().measure(body) }

// In async code the overloads that suspend would be chosen; these park.
func parkFor(_ milliseconds: Int) throws { try sleep(.milliseconds(milliseconds)) }
func waitHere<Value>(_ future: Future<Value>) throws -> Value { try future.wait() }
func waitHere<Value>(_ fiber: Fiber<Value>) throws -> Value { try fiber.get() }

/// Lets everything run that is ready, a few times over.
func turns(_ count: Int = 5) async { for _ in 0..<count { await Task.yield() } }

/// Failures that reached a loop's exception handler.
func collectFailures(_ loop: EventLoop) -> SharedJournal<LoopFailure> {
    let journal = SharedJournal<LoopFailure>()
    loop.exceptionHandler = { journal.note($0) }
    return journal
}

/// Lets the others run once: in place, unlike `Task.yield()`, which goes by way of another thread.
func turn() throws { try yield() }
