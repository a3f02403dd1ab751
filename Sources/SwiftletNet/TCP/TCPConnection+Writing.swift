import CSwiftlet
import Glibc
public import SwiftletLoop

extension TCPConnection {
    /// Writes all of the bytes in memory of the caller's, which stays as it is meanwhile.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline? = nil) throws {
        try send(bytes, until: deadline)
    }

    /// Writes all of two pieces of memory behind each other, with one call to the kernel if it takes them.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public func write(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, until deadline: Deadline? = nil
    ) throws {
        try send(first, second, until: deadline)
    }

    func send(_ text: String, until deadline: Deadline?) throws {
        var text = text
        try text.withUTF8 { try send(UnsafeRawBufferPointer($0), until: deadline) }
    }

    @inline(__always)
    func send(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline?) throws {
        try sendAll(bytes.count, until: deadline) { number, sent in
            swiftlet_socket_send(number, bytes.baseAddress! + sent, bytes.count - sent)
        }
    }

    func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, until deadline: Deadline?) throws {
        guard first.count > 0 else { return try send(second, until: deadline) }
        guard second.count > 0 else { return try send(first, until: deadline) }
        try sendAll(first.count + second.count, until: deadline) { number, sent in
            guard sent < first.count else {
                let sent = sent - first.count
                return swiftlet_socket_send(number, second.baseAddress! + sent, second.count - sent)
            }
            return swiftlet_socket_send_two(
                number, first.baseAddress! + sent, first.count - sent, second.baseAddress!, second.count)
        }
    }

    /// Calls `send` with how much has been sent, until that is all.
    @inline(__always)
    private func sendAll(_ size: Int, until deadline: Deadline?, _ send: (CInt, Int) -> Int) throws {
        var sent = 0
        var limit = nearest(deadline, writeTimeout)
        do {
            while sent < size {
                try descriptor.waitUnlessReady(.writing, until: limit)
                let count = send(descriptor.number, sent)
                if count > 0 {
                    // After a part it asks once more: only a refusal promises a further edge. Large writes can afford it.
                    sent += count
                    if sent < size { limit = nearest(deadline, writeTimeout) }  // the timeout counts from any progress
                } else {
                    guard count == -Int(EAGAIN) else { throw failure(.write, count) }
                    try descriptor.refused(.writing, until: limit)
                }
            }
        } catch {
            throw SocketError.translate(error, .write, peerName)
        }
    }
}
