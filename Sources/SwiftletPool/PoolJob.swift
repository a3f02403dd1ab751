/// A call that another process can make: a named type with its arguments as properties. Python's function and arguments.
///
/// ```swift
/// struct Fetch: PoolJob {
///     var url: String
///     func run() async throws -> Int { try await HTTP.get(url).body.count }
/// }
/// ```
///
/// `run` may be synchronous: what it waits for parks only this job. Jobs, results and errors go as `Codable` values in a
/// compact binary form; arrays of bytes and numbers are copied whole. A type of plain numbers, without references, goes as it
/// lies in memory, without its coding methods.
///
/// Each program that runs jobs names their types in `WorkerProcess.runIfWorker`; no other type is ever decoded.
public protocol PoolJob: Codable, Sendable {
    /// What comes back. `NoOutput` if nothing does.
    associatedtype Output: Codable & Sendable

    /// Does the work, in the worker.
    ///
    /// Cancellation: the task that runs it is cancelled when the caller is, or its deadline passes.
    func run() async throws -> Output

    /// Under which name both sides know the type; the type's own by default.
    static var jobName: String { get }
    /// To be raised when the properties change: workers that know another version are refused.
    static var jobVersion: Int { get }
    /// The job may be run again if its worker dies in the middle of it. False by default: it fails then.
    static var isIdempotent: Bool { get }
    /// Errors that come back as themselves. Others come as `WorkerFailure`, with type and text.
    static var errorTypes: [any (Error & Codable & Sendable).Type] { get }

    /// Runs the jobs of a call, one after the other. Not for programs to write: it is a requirement so that the compiler makes
    /// the loop for each type of jobs.
    static func runAll(_ batch: JobBatch<Self>) async
}

extension PoolJob {
    public static var jobName: String { String(reflecting: Self.self) }
    public static var jobVersion: Int { 1 }
    public static var isIdempotent: Bool { false }
    public static var errorTypes: [any (Error & Codable & Sendable).Type] { [] }

    @inlinable
    public static func runAll(_ batch: JobBatch<Self>) async {
        while let job = batch.next() {
            do {
                batch.succeed(try await job.run())
            } catch {
                batch.fail(error)
            }
        }
    }
}

/// What a job returns that returns nothing: `Void` is not `Codable`.
public struct NoOutput: Codable, Sendable, Hashable {
    public init() {}
}
