import CSwiftlet
import Glibc
public import SwiftletLoop

extension File {
    /// Reads at a place, and leaves `position` alone. Python's `os.pread`.
    ///
    /// Cancellation: ends the wait.
    /// - Parameters:
    ///   - limit: the most bytes to read.
    ///   - offset: how many bytes to pass over from the beginning.
    ///   - deadline: when to give up.
    /// - Returns: at least one byte, unless `limit` is 0; none at the end of the file.
    /// - Throws: `FileError`; `CancellationError`.
    public func read(upTo limit: Int, at offset: Int64, until deadline: Deadline? = nil) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: max(limit, 0)) { buffer, count in
            count = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset, until: deadline)
        }
    }

    /// Reads at a place, from a task, and leaves `position` alone.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public func read(upTo limit: Int, at offset: Int64, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.read(upTo: limit, at: offset, until: deadline) }
    }

    /// Writes all of the bytes at a place, and leaves `position` alone. Python's `os.pwrite`.
    ///
    /// Cancellation: ends the wait; a part may have been written, and more may follow.
    /// - Throws: `FileError`; `CancellationError`.
    public func write(_ bytes: [UInt8], at offset: Int64, until deadline: Deadline? = nil) throws {
        guard !bytes.isEmpty else { return }
        let handle = try opened(for: .write)
        try fileOperation(.write, path, until: deadline) { [path] in try writeNow(bytes, at: offset, to: handle, path) }
    }

    /// Writes all of the bytes at a place, from a task, and leaves `position` alone.
    ///
    /// Cancellation: ends the wait; a part may have been written, and more may follow.
    /// - Throws: `FileError`; `CancellationError`.
    public func write(_ bytes: [UInt8], at offset: Int64, until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.write(bytes, at: offset, until: deadline) }
    }

    /// Cuts the file, or extends it with zeros, to so many bytes.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public func truncate(to size: Int64, until deadline: Deadline? = nil) throws {
        let handle = try opened(for: .truncate)
        try fileOperation(.truncate, path, until: deadline) { [path] in
            guard ftruncate(handle.number, Int(size)) == 0 else { throw FileError(.truncate, path, errno: errno) }
        }
    }

    /// Cuts the file, or extends it with zeros, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public func truncate(to size: Int64, until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.truncate(to: size, until: deadline) }
    }

    /// Waits until what was written is on the disk. After an error nobody knows what is (fsync(2)): write the file anew.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public func sync(until deadline: Deadline? = nil) throws {
        let handle = try opened(for: .sync)
        try fileOperation(.sync, path, until: deadline) { [path] in
            let status = swiftlet_file_sync(handle.number)
            guard status == 0 else { throw FileError(.sync, path, errno: -status) }
        }
    }

    /// Waits until what was written is on the disk, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `FileError`; `CancellationError`.
    public func sync(until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.sync(until: deadline) }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, until deadline: Deadline?) throws -> Int {
        let handle = try opened(for: .read)
        guard buffer.count > 0 else { return 0 }
        // What is in the kernel's memory costs no change of threads. A file system that cannot tell refuses.
        let count = swiftlet_file_read(handle.number, buffer.baseAddress, buffer.count, Int(offset), true)
        if count >= 0 { return count }
        // Into memory of its own: the caller's may be gone when a wait was ended early.
        let size = min(buffer.count, 1 << 20)
        let bytes = try fileOperation(.read, path, until: deadline) { [path] in
            try [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
                let status = swiftlet_file_read(handle.number, bytes.baseAddress, size, Int(offset), false)
                guard status >= 0 else { throw FileError(.read, path, errno: -status) }
                count = status
            }
        }
        buffer.copyBytes(from: bytes)
        return bytes.count
    }
}

/// Writes all; blocks.
func writeNow(_ bytes: [UInt8], at offset: Int64 = 0, to handle: FileHandle, _ path: String) throws {
    try bytes.withUnsafeBytes { bytes in
        var written = 0
        while written < bytes.count {
            let count = swiftlet_file_write(
                handle.number, bytes.baseAddress! + written, bytes.count - written, Int(offset) + written)
            guard count > 0 else { throw FileError(.write, path, errno: count == 0 ? Int(EIO) : -count) }
            written += count
        }
    }
}
