import CSwiftlet
import Glibc
public import SwiftletLoop

extension TCPConnection {
    /// Reads what has come, at least one byte, into memory of the caller's.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Parameters:
    ///   - buffer: filled from its start.
    ///   - deadline: when to give up waiting; `readTimeout` counts as well.
    /// - Returns: how many bytes; 0 at the end of the stream, and for an empty buffer.
    /// - Throws: `SocketError`; `CancellationError`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline? = nil) throws -> Int {
        try receive(into: buffer, until: deadline)
    }

    /// Reads what has come, at least one byte.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Parameters:
    ///   - limit: the most bytes to read.
    ///   - deadline: when to give up; `readTimeout` counts as well.
    /// - Returns: the bytes; none at the end of the stream.
    /// - Throws: `SocketError`; `CancellationError`.
    public func read(upTo limit: Int, until deadline: Deadline? = nil) throws -> [UInt8] {
        try receive(upTo: limit, until: deadline)
    }

    /// Reads so many bytes.
    ///
    /// Cancellation: ends the wait; what had come of them is lost.
    /// - Throws: `SocketError`, with `unexpectedEnd` when the peer ends before; `CancellationError`.
    public func readExactly(_ count: Int, until deadline: Deadline? = nil) throws -> [UInt8] {
        try receiveExactly(count, until: deadline)
    }

    /// Reads until the peer ends its stream.
    ///
    /// Cancellation: ends the wait; what had come is lost.
    /// - Parameters:
    ///   - limit: the most bytes to accept.
    ///   - deadline: when to give up; `readTimeout` counts as well.
    /// - Throws: `SocketError`, with `EMSGSIZE` when more than `limit` bytes come; `CancellationError`.
    public func readToEnd(limit: Int = .max, until deadline: Deadline? = nil) throws -> [UInt8] {
        try receiveToEnd(limit: limit, until: deadline)
    }

    /// Waits until something can be read: bytes, the end, or an error. On a plain thread it returns at once.
    public func waitForInput(until deadline: Deadline? = nil) throws {
        do {
            try descriptor.waitUnlessReady(.reading, until: nearest(deadline, readTimeout))
        } catch {
            throw SocketError.translate(error, .read, peerName)
        }
    }

    @inline(__always)
    func receive(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline?) throws -> Int {
        guard buffer.count > 0 else { return 0 }
        let limit = nearest(deadline, readTimeout)
        do {
            while true {
                try descriptor.waitUnlessReady(.reading, until: limit)
                let count = swiftlet_socket_receive(descriptor.number, buffer.baseAddress, buffer.count)
                // At the end it stays ready: each further read tells so again.
                if count == buffer.count || count == 0 { return count }
                if count > 0 {
                    // A short read has emptied a stream socket (epoll(7)): the next one parks without asking the kernel.
                    try descriptor.drained(.reading)
                    return count
                }
                guard count == -Int(EAGAIN) else { throw failure(.read, count) }
                try descriptor.refused(.reading, until: limit)
            }
        } catch {
            throw SocketError.translate(error, .read, peerName)
        }
    }

    func receive(upTo limit: Int, until deadline: Deadline?) throws -> [UInt8] {
        // Memory only once there is something to put in: a thousand idle connections hold none.
        try waitForInput(until: deadline)
        return try [UInt8](unsafeUninitializedCapacity: max(limit, 0)) { buffer, count in
            count = try receive(into: UnsafeMutableRawBufferPointer(buffer), until: deadline)
        }
    }

    func receiveExactly(_ wanted: Int, until deadline: Deadline?) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: max(wanted, 0)) { buffer, count in
            while count < wanted {
                let rest = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[count..<wanted])
                let received = try receive(into: rest, until: deadline)
                guard received > 0 else {
                    throw SocketError(.read, peerName, .unexpectedEnd(received: count, expected: wanted))
                }
                count += received
            }
        }
    }

    func receiveToEnd(limit: Int, until deadline: Deadline?) throws -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = try receive(upTo: 64 * 1024, until: deadline)
            if piece.isEmpty { return all }
            guard piece.count <= limit - all.count else {
                throw SocketError(.read, peerName, .system(errno: EMSGSIZE))
            }
            all.append(contentsOf: piece)
        }
    }

    @inline(__always)
    func nearest(_ deadline: Deadline?, _ timeout: Duration?) -> Deadline? {
        guard let timeout else { return deadline }
        let limit = Deadline.after(timeout)
        return deadline.map { min($0, limit) } ?? limit
    }
}
