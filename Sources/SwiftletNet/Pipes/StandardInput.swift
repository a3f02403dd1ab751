import CSwiftlet
import Glibc
public import SwiftletLoop

/// The standard input of this process, read without holding up anybody else: a terminal, a pipe or a file.
///
/// ```swift
/// while let line = try StandardInput.readLine() { try handle(line) }
/// ```
/// It is read ahead, so nobody else should read it, such as Swift's own `readLine()`.
///
/// Thread rules: may be used from anywhere; lines go to those who ask in the order of asking.
public enum StandardInput {
    private static let reader = BufferedReader(BorrowedSource(STDIN_FILENO, peerName: "the standard input"))
    private static let turn = Lock()

    /// Reads a line; Python's `input`, Swift's `readLine`.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Parameters:
    ///   - limit: the most bytes, the line's end included.
    ///   - deadline: when to give up.
    /// - Returns: the line without its end; `nil` at the end of the input.
    /// - Throws: `SocketError`; `CancellationError`.
    public static func readLine(
        limit: Int = BufferedReader.defaultLimit, until deadline: Deadline? = nil
    ) throws -> String? {
        try turn.withLock { try reader.readLine(limit: limit, until: deadline) }
    }

    /// Reads a line, from a task; `nil` at the end of the input.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Throws: `SocketError`; `CancellationError`.
    public static func readLine(
        limit: Int = BufferedReader.defaultLimit, until deadline: Deadline? = nil
    ) async throws -> String? {
        try await parkInTask { try readLine(limit: limit, until: deadline) }
    }

    /// Reads all that is left.
    ///
    /// Cancellation: ends the wait; what had come is lost.
    /// - Throws: `SocketError`; `CancellationError`.
    public static func readToEnd(limit: Int = .max, until deadline: Deadline? = nil) throws -> [UInt8] {
        try turn.withLock { try reader.readToEnd(limit: limit, until: deadline) }
    }

    /// Reads all that is left, from a task.
    ///
    /// Cancellation: ends the wait; what had come is lost.
    /// - Throws: `SocketError`; `CancellationError`.
    public static func readToEnd(limit: Int = .max, until deadline: Deadline? = nil) async throws -> [UInt8] {
        try await parkInTask { try readToEnd(limit: limit, until: deadline) }
    }

    /// The lines up to the end of the input. One at a time may ask.
    public static var lines: Lines { reader.lines() }
}

/// A descriptor that belongs to somebody else, and may be one that blocks: it is asked for readiness before each read.
///
/// Making it non-blocking would do so for every process that shares it, such as the shell behind a terminal.
final class BorrowedSource: ByteSource, @unchecked Sendable {
    private let number: CInt
    let peerName: String
    var readTimeout: Duration?
    private(set) var isClosed = false

    init(_ number: CInt, peerName: String) {
        self.number = number
        self.peerName = peerName
    }

    var hasInput: Bool { swiftlet_wait_ready(number, false, 0) != 0 }

    func waitForInput(until deadline: Deadline?) throws {
        do {
            guard !isClosed else { throw SocketError(.read, peerName, .closed) }
            guard try waitUntilReady(number, for: .reading, until: nearest(deadline, readTimeout)) else {
                throw DeadlineExceeded()
            }
        } catch {
            throw SocketError.translate(error, .read, peerName)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline?) throws -> Int {
        guard buffer.count > 0 else { return 0 }
        while true {
            try waitForInput(until: deadline)
            let count = swiftlet_pipe_read(number, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            // Another process that shares it was faster.
            guard count == -Int(EAGAIN) else { throw SocketError(.read, peerName, .init(status: count)) }
        }
    }

    func close() {
        isClosed = true
        notifyClosing(number)
    }
}
