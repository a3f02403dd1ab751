import CSwiftlet
import Glibc
public import SwiftletLoop

extension StreamSocket {
    /// Reads what has come, at least one byte, into memory of the caller's.
    ///
    /// Cancellation: ends the wait; no byte is lost.
    /// - Parameters:
    ///   - buffer: filled from its start.
    ///   - deadline: when to give up waiting; `readTimeout` counts as well.
    /// - Returns: how many bytes; 0 at the end of the stream, and for an empty buffer.
    /// - Throws: `SocketError`; `CancellationError`.
    public final func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline? = nil) throws -> Int {
        guard buffer.count > 0 else { return 0 }
        return try descriptor.readSome(buffer.count, until: deadline, timeout: readTimeout, peer: peerName) {
            swiftlet_socket_receive($0, buffer.baseAddress, buffer.count)
        }
    }

    /// Waits until something can be read: bytes, the end, or an error. On a plain thread it returns at once.
    public final func waitForInput(until deadline: Deadline? = nil) throws {
        try descriptor.waitForInput(until: deadline, timeout: readTimeout, peer: peerName)
    }

    /// Waits for the next byte, which stays where it is; `nil` at the end of the stream. Not for plain threads.
    package final func peek(until deadline: Deadline?) throws -> UInt8? {
        while true {
            try waitForInput(until: deadline)
            let first = swiftlet_socket_peek(descriptor.number)
            guard first == -EAGAIN else { return UInt8(exactly: first) }
            // A new connection's input is believed to be there until a call was refused.
            do {
                try descriptor.refused(.reading, until: deadline)
            } catch {
                throw SocketError.translate(error, .read, peerName)
            }
        }
    }
}
