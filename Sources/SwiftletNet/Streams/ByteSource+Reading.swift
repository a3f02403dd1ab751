public import SwiftletLoop

// Both spellings of reading, for every source. The async ones are thin doors: on a loop the task parks in place; elsewhere
// the work goes to the shared loop.

extension ByteSource {
    /// Reads what has come, at least one byte, into memory of the caller's.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Returns: how many bytes; 0 at the end of the stream, and for an empty buffer.
    /// - Throws: `SocketError`; `CancellationError`.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int { try read(into: buffer, until: nil) }

    /// Reads what has come, at least one byte.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Parameters:
    ///   - limit: the most bytes to read.
    ///   - deadline: when to give up; `readTimeout` counts as well.
    /// - Returns: the bytes; none at the end of the stream.
    /// - Throws: `SocketError`; `CancellationError`.
    public func read(upTo limit: Int, until deadline: Deadline? = nil) throws -> [UInt8] {
        // Memory only once there is something to put in: a thousand idle connections hold none.
        try waitForInput(until: deadline)
        if 0...InputMemory.size ~= limit {
            // What comes is mostly far less than the limit: an array as large as that costs less, also to make.
            let memory = InputMemory.take()
            defer { InputMemory.give(memory) }
            let count = try read(into: UnsafeMutableRawBufferPointer(start: memory, count: limit), until: deadline)
            return [UInt8](UnsafeRawBufferPointer(start: memory, count: count))
        }
        return try [UInt8](unsafeUninitializedCapacity: max(limit, 0)) { buffer, count in
            count = try read(into: UnsafeMutableRawBufferPointer(buffer), until: deadline)
        }
    }

    /// Reads what has come, at least one byte, from a task; none at the end of the stream.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Throws: `SocketError`; `CancellationError`.
    public func read(upTo limit: Int, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.read(upTo: limit, until: deadline) }
    }

    /// Reads so many bytes.
    ///
    /// Cancellation: ends the wait; what had come of them is lost.
    /// - Throws: `SocketError`, with `unexpectedEnd` when the peer ends before; `CancellationError`.
    public func readExactly(_ count: Int, until deadline: Deadline? = nil) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: max(count, 0)) { buffer, received in
            while received < count {
                let rest = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[received..<count])
                let more = try read(into: rest, until: deadline)
                guard more > 0 else {
                    throw SocketError(.read, peerName, .unexpectedEnd(received: received, expected: count))
                }
                received += more
            }
        }
    }

    /// Reads so many bytes, from a task.
    ///
    /// Cancellation: ends the wait; what had come of them is lost.
    /// - Throws: `SocketError`, with `unexpectedEnd` when the peer ends before; `CancellationError`.
    public func readExactly(_ count: Int, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.readExactly(count, until: deadline) }
    }

    /// Reads until the stream ends.
    ///
    /// Cancellation: ends the wait; what had come is lost.
    /// - Parameters:
    ///   - limit: the most bytes to accept.
    ///   - deadline: when to give up; `readTimeout` counts as well.
    /// - Throws: `SocketError`, with `limitExceeded` when more than `limit` bytes come; `CancellationError`.
    public func readToEnd(limit: Int = .max, until deadline: Deadline? = nil) throws -> [UInt8] {
        var all: [UInt8] = []
        while case let piece = try read(upTo: 64 * 1024, until: deadline), !piece.isEmpty {
            guard piece.count <= limit - all.count else { throw SocketError(.read, peerName, .limitExceeded(limit)) }
            if all.isEmpty { all = piece } else { all.append(contentsOf: piece) }
        }
        return all
    }

    /// Reads until the stream ends, from a task.
    ///
    /// Cancellation: ends the wait; what had come is lost.
    /// - Throws: `SocketError`, with `limitExceeded` when more than `limit` bytes come; `CancellationError`.
    public func readToEnd(limit: Int = .max, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.readToEnd(limit: limit, until: deadline) }
    }
}
