import Glibc

/// A child process could not be started, or did not do what was asked of it.
public struct SubprocessError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong.
    public enum Reason: Sendable, Hashable {
        /// It could not be started: one of the codes of errno(3).
        case notStarted(errno: CInt)
        /// It could not be watched or signalled.
        case system(errno: CInt)
        /// It ran longer than it may; it has been ended.
        case timedOut(after: Duration)
        /// It wrote more than so many bytes to the standard output or error; it has been ended.
        case outputLimitExceeded(Int)
        /// It ended otherwise than with code 0. The end of what it wrote to its standard error comes with it.
        case failed(ExitStatus, standardError: String)
    }

    /// What was started, as it was named.
    public let executable: String
    public let reason: Reason

    init(_ executable: String, _ reason: Reason) {
        self.executable = executable
        self.reason = reason
    }

    public var description: String {
        switch reason {
        case .notStarted(let errno):
            "cannot start \(executable): \(String(cString: strerror(errno))) (errno \(errno))"
                + (advice(errno).map { "; \($0)" } ?? "")
        case .system(let errno): "\(executable): \(String(cString: strerror(errno))) (errno \(errno))"
        case .timedOut(let duration): "\(executable) was ended: it ran longer than \(duration)"
        case .outputLimitExceeded(let limit):
            "\(executable) was ended: it wrote more than \(limit) bytes; raise the limit, or read its output as a stream"
        case .failed(let status, let text):
            "\(executable) \(status)" + (text.isEmpty ? "" : ": \(text)")
        }
    }

    private func advice(_ errno: CInt) -> String? {
        switch errno {
        case ENOENT: "check the name and PATH, and that the working directory exists"
        case EACCES: "it is not executable, or a directory above may not be entered"
        case EAGAIN: "too many processes: see ulimit -u"
        case EMFILE: "raise the limit of open files with ulimit -n"
        case E2BIG: "arguments and environment are too long: pass data through standardInput"
        default: nil
        }
    }
}
