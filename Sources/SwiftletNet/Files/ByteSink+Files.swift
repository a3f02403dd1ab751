import CSwiftlet
import Glibc
public import SwiftletLoop

extension ByteSink {
    /// Writes a file, or a part of it, from wherever its `position` is, which stays. On sockets the kernel copies
    /// (sendfile(2)); on other sinks the bytes pass through this process in pieces.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Parameters:
    ///   - file: open for reading.
    ///   - range: which of its bytes; by default all.
    ///   - deadline: when to give up; `writeTimeout` counts as well.
    /// - Throws: `SocketError`, with `ENODATA` when the file is shorter than the range; `FileError`; `CancellationError`.
    public func write(contentsOf file: File, in range: Range<Int64>? = nil, until deadline: Deadline? = nil) throws {
        try copy(range ?? 0..<file.size(until: deadline), of: file, until: deadline)
    }

    /// Writes a file, or a part of it, from a task.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`, with `ENODATA` when the file is shorter than the range; `FileError`; `CancellationError`.
    public func write(
        contentsOf file: File, in range: Range<Int64>? = nil, until deadline: Deadline? = nil
    ) async throws {
        try await parkInTask { try self.write(contentsOf: file, in: range, until: deadline) }
    }

    /// For sinks that have no better way.
    public func copy(_ range: Range<Int64>, of file: File, until deadline: Deadline?) throws {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let size = Int(min(range.upperBound - offset, 256 * 1024))
            let piece = try file.read(upTo: size, at: offset, until: deadline)
            guard !piece.isEmpty else { throw SocketError(.write, peerName, .system(errno: ENODATA)) }
            try write(piece, until: deadline)
            offset += Int64(piece.count)
        }
    }
}

extension StreamSocket {
    /// Writes a part of a file without copying it through this process.
    ///
    /// What is not in the kernel's memory is read from the disk meanwhile, which the loop waits for: up to a megabyte at a time.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`, with `ENODATA` when the file is shorter than the range; `FileError`; `CancellationError`.
    public final func copy(_ range: Range<Int64>, of file: File, until deadline: Deadline? = nil) throws {
        let handle = try file.opened(for: .read)
        try descriptor.writeAll(range.count, until: deadline, timeout: writeTimeout, peer: peerName) { number, sent in
            swiftlet_file_send(handle.number, number, Int(range.lowerBound) + sent, range.count - sent)
        }
    }
}
