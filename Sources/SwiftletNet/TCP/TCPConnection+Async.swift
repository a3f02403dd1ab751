public import SwiftletLoop

// The async spelling: thin doors to the same synchronous code. On a loop the task parks in place; elsewhere the work
// goes to the shared loop. Cancellation is that of the synchronous spelling.

extension TCPConnection {
    /// Connects to a host by name or address, from a task.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Throws: `ResolverError`; `SocketError` of the last address that was tried; `CancellationError`.
    public static func connect(
        to host: String, port: Int, timeout: Duration? = .seconds(30)
    ) async throws -> TCPConnection {
        try await parkInTask { try open(host, port: port, timeout: timeout) }
    }

    /// Runs the body with a connection that is closed afterwards, from a task.
    ///
    /// - Throws: what `connect` and the body throw.
    public nonisolated(nonsending) static func with<Value>(
        _ host: String, port: Int, timeout: Duration? = .seconds(30),
        _ body: nonisolated(nonsending) (TCPConnection) async throws -> Value
    ) async throws -> Value {
        let connection = try await connect(to: host, port: port, timeout: timeout)
        defer { connection.close() }
        return try await body(connection)
    }

    /// Reads what has come, at least one byte, from a task; none at the end of the stream.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Throws: `SocketError`; `CancellationError`.
    public func read(upTo limit: Int, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.receive(upTo: limit, until: deadline) }
    }

    /// Reads so many bytes, from a task.
    ///
    /// Cancellation: ends the wait; what had come of them is lost.
    /// - Throws: `SocketError`, with `unexpectedEnd` when the peer ends before; `CancellationError`.
    public func readExactly(_ count: Int, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.receiveExactly(count, until: deadline) }
    }

    /// Reads until the peer ends its stream, from a task.
    ///
    /// Cancellation: ends the wait; what had come is lost.
    /// - Throws: `SocketError`, with `EMSGSIZE` when more than `limit` bytes come; `CancellationError`.
    public func readToEnd(limit: Int = .max, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.receiveToEnd(limit: limit, until: deadline) }
    }

    /// Writes all of the bytes, from a task.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ bytes: [UInt8], until deadline: Deadline? = nil) async throws {
        try await parkInTask { try bytes.withUnsafeBytes { try self.send($0, until: deadline) } }
    }

    /// Writes all of a text as UTF-8, from a task.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ text: String, until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.send(text, until: deadline) }
    }
}
