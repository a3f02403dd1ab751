import Glibc
import SwiftletCoroutines
public import SwiftletLoop
public import SwiftletPool

/// A program that runs jobs from a queue of NATS.
///
/// ```swift
/// @main struct Worker {
///     static func main() throws {
///         try NATSWorker.run(Fetch.self, Resize.self, from: "nats://localhost:4222")
///     }
/// }
/// ```
/// As many may run, on as many machines, as one likes; each takes what it can do. One that dies costs nothing: its jobs go to
/// others. They may come and go at any time.
public enum NATSWorker {
    /// Runs jobs until the process gets SIGTERM or SIGINT. Then it takes no further ones, finishes those that it is at, and
    /// returns; a second signal ends the process at once. To be called on the main thread, off any loop.
    ///
    /// Jobs run on a loop of the calling thread. That they are not lost is said by another one, so that they may compute without
    /// a break, for as long as they like.
    ///
    /// - Parameters:
    ///   - jobs: the types that may be run here; no others are ever decoded.
    ///   - configuration: the servers, and the queue.
    ///   - concurrency: how many jobs at a time; they run as coroutines. One for jobs that compute.
    ///   - loop: how the jobs' loop behaves.
    ///   - onReady: is called once, when the first job is asked for.
    ///   - onError: is told of each error that a job throws, with the job's name, before the caller is.
    /// - Throws: `NATSError`; `PoolError.invalidOption`.
    public static func run(
        _ jobs: any PoolJob.Type..., from configuration: NATSConfiguration, concurrency: Int = 16,
        loop: EventLoop.Configuration = WorkerProcess.defaultConfiguration,
        onReady: @escaping @Sendable () -> Void = {},
        onError: @escaping @Sendable (any Error, String) -> Void = { _, _ in }
    ) throws {
        try run(
            jobs, from: configuration, concurrency: concurrency, loop: loop, onReady: onReady, onError: onError)
    }

    /// The same for a list of types.
    public static func run(
        _ jobs: [any PoolJob.Type], from configuration: NATSConfiguration, concurrency: Int = 16,
        loop: EventLoop.Configuration = WorkerProcess.defaultConfiguration,
        onReady: @escaping @Sendable () -> Void = {},
        onError: @escaping @Sendable (any Error, String) -> Void = { _, _ in }
    ) throws {
        guard concurrency > 0 else {
            throw PoolError.invalidOption("concurrency must be at least 1, not \(concurrency)")
        }
        try configuration.check()
        let types = jobs.map { JobType($0) }
        try EventLoop.run {
            let jobLoop = try EventLoop.current
            jobLoop.configuration = loop
            let worker = QueueWorker(
                types, configuration, concurrency: concurrency, on: jobLoop, onError)
            for signal in [SIGTERM, SIGINT] {
                try onSignal(signal) {
                    if worker.hasBeenAsked.exchange(true) { _exit(128 + signal) }
                    worker.drain()
                }
            }
            worker.start(onReady)
            _ = try worker.ended.wait()
        }
    }
}
