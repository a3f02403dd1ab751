import Glibc

/// How a process has ended.
public enum ExitStatus: Sendable, Hashable, CustomStringConvertible {
    /// By itself, with a code from 0 to 255.
    case exited(code: CInt)
    /// By a signal, such as `SIGKILL`.
    case signalled(CInt)

    /// It ended by itself with code 0.
    public var isSuccess: Bool { self == .exited(code: 0) }

    public var description: String {
        switch self {
        case .exited(let code): "exited with code \(code)"
        case .signalled(let signal): "ended by signal \(signal) (\(String(cString: strsignal(signal))))"
        }
    }
}
