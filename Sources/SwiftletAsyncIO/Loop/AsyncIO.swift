import CSwiftlet
import Glibc
import SwiftletCoroutines
public import SwiftletLoop

/// Runs asyncio programs.
public enum AsyncIO {
    /// Runs an async program on the calling thread's loop and answers its result: the main task. asyncio's `run`.
    ///
    /// At its end the tasks that are left are cancelled and waited for, and a loop that was made here is closed; the main
    /// thread's, which is the process's default executor, is emptied instead, so that nothing of this program runs in the
    /// next one: see `EventLoop.run`. The first Ctrl-C cancels the main task, unless the program has a handler of its own for it; the second one ends the
    /// process.
    ///
    /// - Parameters:
    ///   - debug: turns the loop's debug mode on or off; by default the environment says it: `SWIFTLET_DEBUG=1`.
    ///   - takesOver: as with `EventLoop.run`.
    ///   - file: where the program begins, for descriptions.
    ///   - line: the same.
    ///   - main: the program.
    /// - Throws: what the program throws; `Interrupted`; `LoopError.alreadyRunning` inside a loop.
    public static func run<Value: Sendable>(
        debug: Bool? = nil, takesOver: Bool = true, file: StaticString = #fileID, line: UInt32 = #line,
        _ main: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        try run(Coroutine("main", file: file, line: line, main), debug: debug, takesOver: takesOver)
    }

    /// Runs a coroutine as the main task.
    public static func run<Value>(
        _ main: Coroutine<Value>, debug: Bool? = nil, takesOver: Bool = true
    ) throws -> Value {
        defer { main.discard() }  // refused: the error tells enough
        return try EventLoop.withLoop(takesOver: takesOver) { loop in
            let debugBefore = loop.configuration.isDebug
            if let debug { loop.configuration.isDebug = debug }
            defer { loop.configuration.isDebug = debugBefore }
            return try runMainTask(main, on: loop)
        }
    }

    static func runMainTask<Value>(_ main: Coroutine<Value>, on loop: EventLoop) throws -> Value {
        let others = Set(loop.allTasks.map { $0 as AnyFuture })
        defer { loop.endTasks(except: others) }
        let task = try loop.createTask(main)
        var wasInterrupted = false
        var interrupts: SignalWatch?
        if swiftlet_signal_is_default(SIGINT) {
            interrupts = try SignalWatch(SIGINT, once: true, on: loop) {
                wasInterrupted = true
                task.cancel("interrupted")
            }
        }
        defer { interrupts?.end() }
        do {
            return try task.wait()
        } catch is CancellationError where wasInterrupted && task.isCancelled && task.cancelRequests == 1 {
            throw Interrupted()
        }
    }

    /// The program was ended by Ctrl-C.
    public struct Interrupted: Error, Hashable, CustomStringConvertible {
        public init() {}
        public var description: String { "interrupted (SIGINT): the main task was cancelled" }
    }

    /// Runs several programs one after the other on one loop. asyncio's `Runner`.
    public final class Runner {
        /// The loop: the calling thread's.
        public let loop: EventLoop

        /// - Throws: `LoopError.alreadyRunning` inside a loop, `.noDescriptors`.
        public init(debug: Bool? = nil) throws(LoopError) {
            if EventLoop.carrier != nil { throw .alreadyRunning }
            loop = try EventLoop.current
            if let debug { loop.configuration.isDebug = debug }
        }

        /// Runs a program to its end, as `AsyncIO.run` does, but leaves the loop open.
        public func run<Value: Sendable>(
            file: StaticString = #fileID, line: UInt32 = #line, _ main: @escaping @Sendable () async throws -> Value
        ) throws -> Value {
            try loop.requireOwnStack()
            return try AsyncIO.runMainTask(Coroutine("main", file: file, line: line, main), on: loop)
        }

        /// Ends what is left and closes the loop.
        public func close() throws {
            if loop.isClosed { return }
            try loop.requireOwnThread()
            loop.endTasks()
            try loop.close()
        }
    }
}
