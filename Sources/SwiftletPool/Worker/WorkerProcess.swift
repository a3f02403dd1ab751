import CSwiftletPool
import Glibc
import SwiftletCoroutines
public import SwiftletLoop

/// This process, if a pool has started it to run jobs.
///
/// ```swift
/// @main struct Program {
///     static func main() throws {
///         WorkerProcess.runIfWorker(Fetch.self, Resize.self)   // first of all
///         …
///     }
/// }
/// ```
public enum WorkerProcess {
    /// How a worker's loop behaves if nothing else is said: jobs may compute as long as they like without being reported.
    public static var defaultConfiguration: EventLoop.Configuration {
        var configuration = EventLoop.Configuration()
        configuration.slowTurnLimit = nil
        return configuration
    }

    /// What the pool says to the program that it starts: the parent's process id.
    static let variable = "SWIFTLET_WORKER"

    /// If a pool has started this process: runs jobs until the pool is done with it, and then ends the process. Else returns
    /// at once. To be called first in `main`, on the main thread: a program that uses a pool starts itself.
    ///
    /// A worker ends with its pool, however that one ends. Ctrl-C is left to the pool's process. Its standard input is empty.
    ///
    /// - Parameters:
    ///   - jobs: the types that may be run here; those of initializers and finalizers as well.
    ///   - configuration: of the worker's event loop.
    ///   - onError: is told of each error that a job throws, with the job's name, before the caller is.
    public static func runIfWorker(
        _ jobs: any PoolJob.Type..., configuration: EventLoop.Configuration = defaultConfiguration,
        onError: @escaping @Sendable (any Error, String) -> Void = { _, _ in }
    ) {
        runIfWorker(jobs, configuration: configuration, onError: onError)
    }

    /// The same for a list of types.
    public static func runIfWorker(
        _ jobs: [any PoolJob.Type], configuration: EventLoop.Configuration = defaultConfiguration,
        onError: @escaping @Sendable (any Error, String) -> Void = { _, _ in }
    ) {
        guard let parent = parentOfUnclaimedWorker else { return }
        unsetenv(variable)  // what it starts itself is no worker of that pool
        guard swiftlet_pool_become_worker(parent) == 0 else { _exit(EX_UNAVAILABLE) }
        let types = jobs.map { JobType($0) }
        do {
            let code = try EventLoop.run { () throws -> CInt in
                try EventLoop.current.configuration = configuration
                return try WorkerRuntime(types, on: EventLoop.current, onError).run()
            }
            exit(code)
        } catch {
            Report(.unretrievedError, "a worker process of a pool ends: \(error)").post()
            exit(EX_SOFTWARE)
        }
    }

    /// This process was started as a worker, and has not become one yet.
    private static var parentOfUnclaimedWorker: CInt? { getenv(variable).flatMap { CInt(String(cString: $0)) } }

    /// A pool in a process that should have been a worker: the line at the top of main is missing, and going on would start
    /// processes without end. The pool that started this process is told by its exit code.
    static func refuseIfUnclaimed() {
        if parentOfUnclaimedWorker != nil { _exit(forgotten) }
    }

    /// The exit code of a process that should have been a worker.
    static let forgotten: CInt = 113

    // MARK: What jobs of one worker share

    private static let values = Locked<[ObjectIdentifier: any Sendable]>([:])

    /// Keeps a value for all jobs of this worker, one for each type: a session, say, from an initializer.
    public static func keep<Value: Sendable>(_ value: Value) {
        values.withLock { $0[ObjectIdentifier(Value.self)] = value }
    }

    /// The value of this type that was kept.
    public static func kept<Value: Sendable>(_ type: Value.Type) -> Value? {
        values.withLock { $0[ObjectIdentifier(type)] as? Value }
    }
}
