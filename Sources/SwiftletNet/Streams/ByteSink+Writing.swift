public import SwiftletLoop

// Both spellings of writing, for every sink.

extension ByteSink {
    /// Writes all of the bytes.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ bytes: [UInt8], until deadline: Deadline? = nil) throws {
        try bytes.withUnsafeBytes { try write($0, until: deadline) }
    }

    /// Writes all of the bytes, from a task.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ bytes: [UInt8], until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.write(bytes, until: deadline) }
    }

    /// Writes all of a text, as UTF-8.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ text: String, until deadline: Deadline? = nil) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0), until: deadline) }
    }

    /// Writes all of a text as UTF-8, from a task.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ text: String, until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.write(text, until: deadline) }
    }

    /// Writes all of two arrays behind each other.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ first: [UInt8], _ second: [UInt8], until deadline: Deadline? = nil) throws {
        try first.withUnsafeBytes { first in
            try second.withUnsafeBytes { try write(first, $0, until: deadline) }
        }
    }

    /// Writes all of several arrays behind each other, with few calls to the kernel where that is possible.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(contentsOf pieces: [[UInt8]], until deadline: Deadline? = nil) throws {
        // So many at a time, since each needs a frame of its own while its memory is lent.
        for start in stride(from: 0, to: pieces.count, by: 64) {
            try lend(pieces[start..<min(start + 64, pieces.count)]) { try write(contentsOf: $0, until: deadline) }
        }
    }

    /// Writes all of several arrays behind each other, from a task.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(contentsOf pieces: [[UInt8]], until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.write(contentsOf: pieces, until: deadline) }
    }

    /// For sinks that have no better way.
    public func write(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, until deadline: Deadline?
    ) throws {
        try write(contentsOf: [first, second], until: deadline)
    }

    /// For sinks that have no better way.
    public func write(contentsOf pieces: [UnsafeRawBufferPointer], until deadline: Deadline?) throws {
        for piece in pieces { try write(piece, until: deadline) }
    }
}

/// Lends the memory of all arrays at once.
private func lend(
    _ arrays: ArraySlice<[UInt8]>, _ lent: [UnsafeRawBufferPointer] = [],
    to body: ([UnsafeRawBufferPointer]) throws -> Void
) rethrows {
    guard let array = arrays.first else { return try body(lent) }
    try array.withUnsafeBytes { try lend(arrays.dropFirst(), lent + [$0], to: body) }
}
