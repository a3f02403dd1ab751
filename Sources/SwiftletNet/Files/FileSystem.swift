import CSwiftlet
import Glibc
public import SwiftletLoop

/// Whole files and directories, by their paths. Each call waits on a thread of a bounded pool; only the caller waits.
public enum FileSystem {
    // MARK: Whole files

    /// Reads a whole file.
    ///
    /// Cancellation: ends the wait.
    /// - Parameters:
    ///   - path: from the working directory, unless it begins with a slash.
    ///   - limit: the most bytes to accept.
    ///   - deadline: when to give up.
    /// - Throws: `FileError`; `CancellationError`.
    public static func read(_ path: String, limit: Int = .max, until deadline: Deadline? = nil) throws -> [UInt8] {
        try fileOperation(.read, path, until: deadline) {
            let handle = FileHandle(try File.openNow(path, O_RDONLY, 0))
            return try readNow(handle, path, limit: limit)
        }
    }

    /// Reads a whole file, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public static func read(_ path: String, limit: Int = .max, until deadline: Deadline? = nil) async throws -> [UInt8]
    {
        try await parkInTask { try read(path, limit: limit, until: deadline) }
    }

    /// Writes a whole file so that others see either the old or the new contents, also after a crash: into a file beside it
    /// that takes its place when all is on the disk. An existing file's permissions are kept; a link's target is replaced.
    ///
    /// Cancellation: ends the wait; the file is replaced all the same, or not.
    /// - Parameters:
    ///   - bytes: the new contents.
    ///   - path: from the working directory, unless it begins with a slash.
    ///   - permissions: of a new file, less the process's umask.
    ///   - deadline: when to give up.
    /// - Throws: `FileError`; `CancellationError`.
    public static func write(
        _ bytes: [UInt8], to path: String, permissions: UInt32 = 0o666, until deadline: Deadline? = nil
    ) throws {
        try fileOperation(.replace, path, until: deadline) { try Replacement(of: path).write(bytes, permissions) }
    }

    /// Writes a whole file so that others see either the old or the new contents, from a task.
    ///
    /// Cancellation: ends the wait; the file is replaced all the same, or not.
    /// - Throws: `FileError`; `CancellationError`.
    public static func write(
        _ bytes: [UInt8], to path: String, permissions: UInt32 = 0o666, until deadline: Deadline? = nil
    ) async throws {
        try await parkInTask { try write(bytes, to: path, permissions: permissions, until: deadline) }
    }

    /// Removes a file, or an empty directory.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public static func remove(_ path: String, until deadline: Deadline? = nil) throws {
        try fileOperation(.remove, path, until: deadline) {
            guard Glibc.remove(path) == 0 else { throw FileError(.remove, path, errno: errno) }
        }
    }

    /// Removes a file, or an empty directory, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public static func remove(_ path: String, until deadline: Deadline? = nil) async throws {
        try await parkInTask { try remove(path, until: deadline) }
    }

    // MARK: Directories

    /// What a path leads to.
    public enum Kind: Sendable, Hashable {
        case file
        case directory
        case symbolicLink
        /// A pipe, a socket or a device.
        case other
    }

    /// A name in a directory.
    public struct Entry: Sendable, Hashable {
        public let name: String
        /// What it is; a symbolic link is told as such.
        public let kind: Kind
    }

    /// The names in a directory, but for `.` and `..`, sorted. O(n log n).
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public static func entries(of path: String, until deadline: Deadline? = nil) throws -> [Entry] {
        try fileOperation(.list, path, until: deadline) { try listNow(path) }
    }

    /// The names in a directory, but for `.` and `..`, sorted, from a task. O(n log n).
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public static func entries(of path: String, until deadline: Deadline? = nil) async throws -> [Entry] {
        try await parkInTask { try entries(of: path, until: deadline) }
    }

    /// What is known of a file without opening it.
    public struct Information: Sendable, Hashable {
        public let kind: Kind
        /// In bytes.
        public let size: Int64
        /// The nine bits of permissions, and those for set-user-ID, set-group-ID and sticky.
        public let permissions: UInt32
        /// When its contents were last changed: since 1970.
        public let modified: Duration
        /// Tells files apart, together with `number`.
        public let device: UInt64
        public let number: UInt64
    }

    /// What is known of a file.
    ///
    /// Cancellation: ends the wait.
    /// - Parameters:
    ///   - path: from the working directory, unless it begins with a slash.
    ///   - followsLinks: asks for a symbolic link's target rather than the link.
    ///   - deadline: when to give up.
    /// - Throws: `FileError`; `CancellationError`.
    public static func information(
        about path: String, followsLinks: Bool = true, until deadline: Deadline? = nil
    ) throws -> Information {
        try fileOperation(.inspect, path, until: deadline) {
            var status = stat()
            guard (followsLinks ? stat(path, &status) : lstat(path, &status)) == 0 else {
                throw FileError(.inspect, path, errno: errno)
            }
            return Information(status)
        }
    }

    /// What is known of a file, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public static func information(
        about path: String, followsLinks: Bool = true, until deadline: Deadline? = nil
    ) async throws -> Information {
        try await parkInTask { try information(about: path, followsLinks: followsLinks, until: deadline) }
    }
}

extension FileSystem.Information {
    init(_ status: stat) {
        kind = FileSystem.Kind(status.st_mode)
        size = Int64(status.st_size)
        permissions = status.st_mode & 0o7777
        modified = .seconds(status.st_mtim.tv_sec) + .nanoseconds(status.st_mtim.tv_nsec)
        device = UInt64(status.st_dev)
        number = UInt64(status.st_ino)
    }
}

extension FileSystem.Kind {
    init(_ mode: mode_t) {
        switch mode & S_IFMT {
        case S_IFREG: self = .file
        case S_IFDIR: self = .directory
        case S_IFLNK: self = .symbolicLink
        default: self = .other
        }
    }
}
