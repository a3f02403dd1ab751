import CSwiftlet
import Glibc
import SwiftletCoroutines
public import SwiftletLoop

/// An open file. What waits for the disk runs on a thread of a bounded pool while only the caller waits; what the kernel has
/// in memory is read at once.
///
/// ```swift
/// let log = try File.open("access.log")
/// for line in BufferedReader(log).lines() { count(line) }
/// ```
/// It is a stream of bytes from `position` on, so all that reads and writes streams works on it; `read(at:)` and `write(at:)`
/// leave the position alone. For pipes and terminals there are `Pipe` and `StandardInput`.
///
/// Thread rules: it may be used from anywhere; what uses `position`, by one at a time. It is closed by `close()` or with the
/// last reference, once operations that are under way have ended.
public final class File: ByteSource, ByteSink, @unchecked Sendable {
    /// What a file is opened for.
    public enum Mode: Sendable, Hashable {
        /// Python's `r`.
        case reading
        /// To read and write what exists; Python's `r+`.
        case updating
        /// To write from scratch: made if it does not exist, else emptied. Python's `w`.
        case writing
        /// To write at its end: made if it does not exist. Python's `a`.
        case appending
        /// To write a new one, which must not exist. Python's `x`.
        case creating

        var flags: CInt {
            switch self {
            case .reading: O_RDONLY
            case .updating: O_RDWR
            case .writing: O_RDWR | O_CREAT | O_TRUNC
            case .appending: O_RDWR | O_CREAT | O_APPEND
            case .creating: O_RDWR | O_CREAT | O_EXCL
            }
        }
    }

    /// Where it was opened.
    public let path: String
    /// Where the next read or write begins. Beyond the end, reading finds nothing, and writing leaves a hole.
    public var position: Int64 = 0
    /// How long a read may take before it throws; `nil`, the default, is for ever.
    public var readTimeout: Duration?
    /// How long a write may take before it throws; `nil`, the default, is for ever.
    public var writeTimeout: Duration?
    private let handle: Locked<FileHandle?>

    /// Takes over an open descriptor.
    package init(_ number: CInt, path: String) {
        handle = Locked(FileHandle(number))
        self.path = path
    }

    /// Opens a file.
    ///
    /// Cancellation: ends the wait; nothing stays open.
    /// - Parameters:
    ///   - path: from the working directory, unless it begins with a slash.
    ///   - mode: what for.
    ///   - permissions: of a new file, less the process's umask.
    ///   - deadline: when to give up.
    /// - Throws: `FileError`; `CancellationError`.
    public static func open(
        _ path: String, for mode: Mode = .reading, permissions: UInt32 = 0o666, until deadline: Deadline? = nil
    ) throws -> File {
        try fileOperation(.open, path, until: deadline) {
            File(try openNow(path, mode.flags, permissions), path: path)
        }
    }

    /// Opens a file, from a task.
    ///
    /// Cancellation: ends the wait; nothing stays open.
    /// - Throws: `FileError`; `CancellationError`.
    public static func open(
        _ path: String, for mode: Mode = .reading, permissions: UInt32 = 0o666, until deadline: Deadline? = nil
    ) async throws -> File {
        try await parkInTask { try open(path, for: mode, permissions: permissions, until: deadline) }
    }

    /// Runs the body with a file that is closed afterwards.
    ///
    /// - Throws: what `open` and the body throw.
    public static func with<Value>(
        _ path: String, for mode: Mode = .reading, permissions: UInt32 = 0o666, _ body: (File) throws -> Value
    ) throws -> Value {
        let file = try open(path, for: mode, permissions: permissions)
        defer { file.close() }
        return try body(file)
    }

    /// Runs the body with a file that is closed afterwards, from a task.
    ///
    /// - Throws: what `open` and the body throw.
    public nonisolated(nonsending) static func with<Value>(
        _ path: String, for mode: Mode = .reading, permissions: UInt32 = 0o666,
        _ body: nonisolated(nonsending) (File) async throws -> Value
    ) async throws -> Value {
        let file = try await open(path, for: mode, permissions: permissions)
        defer { file.close() }
        return try await body(file)
    }

    /// A new descriptor; blocks.
    static func openNow(_ path: String, _ flags: CInt, _ permissions: UInt32) throws -> CInt {
        // A zero byte would end the path early, and another file would be opened.
        guard !path.utf8.contains(0) else { throw FileError(.open, path, errno: EINVAL) }
        while true {
            let number = swiftlet_file_above_standard(Glibc.open(path, flags | O_CLOEXEC, permissions))
            if number >= 0 { return number }
            if errno != EINTR { throw FileError(.open, path, errno: errno) }
        }
    }

    // MARK: What is known of it

    /// Its path, as errors name it.
    public var peerName: String { path }

    /// `close()` was called.
    public var isClosed: Bool { handle.withLock { $0 == nil } }

    /// Closes the file. What is under way goes on to its end. Closing twice does nothing.
    public func close() { _ = handle.withLock { $0.take() } }

    /// The descriptor, which stays open as long as the result lives.
    func opened(for operation: FileError.Operation) throws -> FileHandle {
        if let handle = handle.withLock({ $0 }) { return handle }
        throw FileError(operation, path, .closed)
    }

    /// How many bytes it has.
    ///
    /// - Throws: `FileError`; `CancellationError`.
    public func size(until deadline: Deadline? = nil) throws -> Int64 {
        let handle = try opened(for: .inspect)
        return try fileOperation(.inspect, path, until: deadline) { [path] in
            var status = stat()
            guard fstat(handle.number, &status) == 0 else { throw FileError(.inspect, path, errno: errno) }
            return Int64(status.st_size)
        }
    }

    /// How many bytes it has, from a task.
    ///
    /// - Throws: `FileError`; `CancellationError`.
    public func size(until deadline: Deadline? = nil) async throws -> Int64 {
        try await parkInTask { try self.size(until: deadline) }
    }

    // MARK: As a stream

    /// A file always has something to read, if only its end.
    public var hasInput: Bool { true }

    /// Returns at once.
    public func waitForInput(until deadline: Deadline? = nil) throws {}

    /// Reads from `position` on, at least one byte, and moves it.
    ///
    /// Cancellation: ends the wait; the position stays.
    /// - Returns: how many bytes; 0 at the end of the file, and for an empty buffer.
    /// - Throws: `FileError`; `CancellationError`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline? = nil) throws -> Int {
        let count = try read(into: buffer, at: position, until: nearest(deadline, readTimeout))
        position += Int64(count)
        return count
    }

    /// Writes from `position` on, and moves it; a file that was opened for appending grows at its end.
    ///
    /// Cancellation: ends the wait; a part may have been written, and more may follow. The position stays.
    /// - Throws: `FileError`; `CancellationError`.
    public func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline? = nil) throws {
        try write(Array(bytes), at: position, until: nearest(deadline, writeTimeout))
        position += Int64(bytes.count)
    }

    /// Does nothing: nobody waits for the end of a file.
    public func closeWriting() {}
}

/// A descriptor of a file, closed with its last user.
final class FileHandle: Sendable {
    let number: CInt

    init(_ number: CInt) { self.number = number }

    deinit { Glibc.close(number) }
}
