import CSwiftlet
import Glibc
public import SwiftletLoop

extension StreamSocket {
    /// Writes all of the bytes in memory of the caller's, which stays as it is meanwhile.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public final func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline? = nil) throws {
        try writeAll(bytes.count, until: deadline) { number, sent in
            swiftlet_socket_send(number, bytes.baseAddress! + sent, bytes.count - sent)
        }
    }

    /// Writes all of two pieces of memory behind each other, with one call to the kernel if it takes them.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public final func write(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, until deadline: Deadline? = nil
    ) throws {
        guard first.count > 0 else { return try write(second, until: deadline) }
        guard second.count > 0 else { return try write(first, until: deadline) }
        try writeAll(first.count + second.count, until: deadline) { number, sent in
            guard sent < first.count else {
                let sent = sent - first.count
                return swiftlet_socket_send(number, second.baseAddress! + sent, second.count - sent)
            }
            return swiftlet_socket_send_two(
                number, first.baseAddress! + sent, first.count - sent, second.baseAddress!, second.count)
        }
    }

    /// Writes all of several pieces of memory behind each other, up to 64 with one call to the kernel.
    ///
    /// Cancellation: ends the wait; a part may have been written.
    /// - Throws: `SocketError`; `CancellationError`.
    public final func write(contentsOf pieces: [UnsafeRawBufferPointer], until deadline: Deadline? = nil) throws {
        let capacity = min(pieces.count, 64)
        guard capacity > 0 else { return }
        try withUnsafeTemporaryAllocation(of: iovec.self, capacity: capacity) { parts in
            // The first piece that is not written, and where it begins.
            var (index, start) = (0, 0)
            try writeAll(pieces.reduce(0) { $0 + $1.count }, until: deadline) { number, sent in
                while sent >= start + pieces[index].count {
                    start += pieces[index].count
                    index += 1
                }
                var skipped = sent - start
                let count = min(capacity, pieces.count - index)
                for (place, piece) in pieces[index..<index + count].enumerated() {
                    parts[place] = iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: piece.baseAddress.map { $0 + skipped }),
                        iov_len: piece.count - skipped)
                    skipped = 0
                }
                return swiftlet_socket_send_many(number, parts.baseAddress, CInt(count))
            }
        }
    }

    @inline(__always)
    private final func writeAll(_ size: Int, until deadline: Deadline?, _ send: (CInt, Int) -> Int) throws {
        try descriptor.writeAll(size, until: deadline, timeout: writeTimeout, peer: peerName, send)
    }
}
