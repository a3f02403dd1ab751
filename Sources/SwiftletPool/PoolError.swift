import Glibc

/// Why a pool could not do what it was asked for, or a job has no result.
public enum PoolError: Error, Equatable, CustomStringConvertible {
    /// `close` or `terminate` was called.
    case closed
    /// `join` before `close`.
    case stillOpen
    /// The pool was terminated before the job had ended.
    case terminated
    /// An option makes no sense.
    case invalidOption(String)
    /// The worker died while it ran the job.
    case workerDied(job: String, exit: WorkerExit, attempts: Int)
    /// The program that workers run does not know the job's type.
    case notRegistered(job: String, registered: [String])
    /// Worker and pool mean different things by the job's name.
    case versionMismatch(job: String, ours: Int, theirs: Int)
    /// The worker is another build of this program, or speaks another version of the pool's language.
    case incompatibleWorker(String)
    /// No worker can be started.
    case cannotStart(String)
    /// The initializer threw, in a worker.
    case initializerFailed(type: String, text: String)
    case unencodableArgument(job: String, reason: String)
    case undecodableArgument(job: String, reason: String)
    case unencodableResult(job: String, reason: String)
    case undecodableResult(job: String, reason: String)

    public var description: String {
        switch self {
        case .closed: "the pool is closed: make calls before close(), or inside the body of withProcessPool"
        case .stillOpen: "the pool is still open: call close() or terminate() before join()"
        case .terminated: "the pool was terminated before this job had ended"
        case .invalidOption(let reason): reason
        case .workerDied(let job, let exit, let attempts):
            "the worker that ran \(job) \(exit)" + (attempts > 1 ? ", at the \(attempts)th attempt" : "")
                + "; if the job may be run again, say so with isIdempotent"
        case .notRegistered(let job, let registered):
            "workers do not know the job \(job); name it in WorkerProcess.runIfWorker(...). They know "
                + (registered.isEmpty ? "none" : registered.joined(separator: ", "))
        case .versionMismatch(let job, let ours, let theirs):
            "the job \(job) has version \(ours) here and version \(theirs) in the worker: build both from one source"
        case .incompatibleWorker(let reason): "the worker does not fit to this program: \(reason)"
        case .cannotStart(let reason): "no worker can be started: \(reason)"
        case .initializerFailed(let type, let text): "the initializer failed in a worker: \(text) (\(type))"
        case .unencodableArgument(let job, let reason): "the arguments of \(job) cannot be encoded: \(reason)"
        case .undecodableArgument(let job, let reason): "the arguments of \(job) cannot be decoded: \(reason)"
        case .unencodableResult(let job, let reason): "the result of \(job) cannot be encoded: \(reason)"
        case .undecodableResult(let job, let reason): "the result of \(job) cannot be decoded: \(reason)"
        }
    }
}

/// How a worker ended.
public enum WorkerExit: Hashable, Sendable, CustomStringConvertible {
    /// It called `exit`.
    case exited(code: Int)
    /// A signal ended it, such as `SIGKILL` or, in a crash, `SIGSEGV`, `SIGILL` or `SIGTRAP`.
    case killed(signal: Int)
    /// The pool ended it, since it did not hear of a cancellation in time: it was stopped, or computed without a break.
    case unresponsive
    /// Somebody else in this process has waited for it.
    case unknown

    public var description: String {
        switch self {
        case .exited(let code): "ended with exit code \(code)"
        case .killed(let signal):
            "was killed by signal \(signal) (\(String(cString: strsignal(CInt(signal)))))"
                + (signal == Int(SIGKILL) ? "; if memory is short, the kernel does that" : "")
        case .unresponsive: "was ended since it did not hear of a cancellation in time"
        case .unknown: "ended"
        }
    }
}

/// An error that a job threw, as text: its type is not `Codable`, or not among the job's `errorTypes`.
public struct WorkerFailure: Error, Hashable, CustomStringConvertible {
    /// The error's type, with its module.
    public let type: String
    /// What the error said.
    public let text: String
    /// The job that threw it.
    public let job: String
    /// The worker's process.
    public let process: Int32

    public var description: String { "\(text) (\(type), thrown by \(job) in worker process \(process))" }
}
