import Glibc
import SwiftletLoop

/// An operation on a file that failed: what was done, with which, why, and what helps.
public struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was being done.
    public enum Operation: String, Sendable, Hashable {
        case open
        case read
        case write
        case sync
        case truncate
        case inspect
        case list
        case remove
        case replace
    }

    /// Why it failed.
    public enum Reason: Sendable, Hashable {
        /// The kernel's answer, one of the codes of errno(3).
        case system(errno: CInt)
        /// The disk did not answer until the deadline. What was begun goes on.
        case timedOut
        /// It was closed before.
        case closed
        /// It is longer than what the reader accepts: so many bytes.
        case limitExceeded(Int)
    }

    public let operation: Operation
    public let path: String
    public let reason: Reason

    init(_ operation: Operation, _ path: String, _ reason: Reason) {
        self.operation = operation
        self.path = path
        self.reason = reason
    }

    init(_ operation: Operation, _ path: String, errno: some SignedInteger) {
        self.init(operation, path, .system(errno: CInt(errno)))
    }

    public var description: String {
        let action = "\(operation.rawValue) \(path): "
        return switch reason {
        case .system(let errno):
            action + "\(String(cString: strerror(errno))) (errno \(errno))" + (advice(errno).map { "; \($0)" } ?? "")
        case .timedOut: action + "timed out; is it on a network that is down?"
        case .closed: action + "it was closed"
        case .limitExceeded(let limit): action + "more than the \(limit) bytes that are accepted; raise the limit"
        }
    }

    private func advice(_ errno: CInt) -> String? {
        switch errno {
        case ENOENT: "check the path"
        case EACCES, EPERM: "check its permissions, and those of the directories above"
        case EISDIR: "it is a directory: list it with FileSystem.entries(of:)"
        case EEXIST: "open it for .updating or .writing, or remove it first"
        case EMFILE: "raise the limit of open files with ulimit -n"
        case ENFILE: "raise the system's limit of open files (fs.file-max)"
        case ENOSPC, EDQUOT: "the disk is full: remove what is not needed"
        case EROFS: "its file system is mounted read-only"
        default: nil
        }
    }
}

/// Runs an operation on a file off the loop, and names what fails.
func fileOperation<Value: Sendable>(
    _ operation: FileError.Operation, _ path: String, until deadline: Deadline? = nil,
    _ work: @escaping @Sendable () throws -> Value
) throws -> Value {
    do {
        return try offLoop(until: deadline, work)
    } catch is DeadlineExceeded {
        throw FileError(operation, path, .timedOut)
    }
}
