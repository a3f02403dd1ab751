import CSwiftlet
import Glibc
import SwiftletLoop

/// A connected stream socket: what TCP connections and Unix sockets have in common, which is all of reading and writing.
///
/// Thread rules: it may be used from any loop or thread, by one reader and one writer at a time; it moves to the loop
/// that waits on it, so it is cheapest where it stays. While somebody waits on it on one loop, waiting on another throws a
/// `SocketError`. It is closed by `close()` or with the last reference. Closing
/// wakes who waits on a loop; a plain thread that blocks is not woken.
public class StreamSocket: ByteStream, @unchecked Sendable {
    final let descriptor: Descriptor
    /// The other side.
    public final let remoteAddress: SocketAddress
    /// The name that was connected to, if one was.
    final let host: String?
    // Set before use by the one who made it, or between its operations.
    private final var storedReadTimeout: Duration?
    private final var storedWriteTimeout: Duration?

    /// Takes over a connected socket that does not block.
    required init(owning number: CInt, remoteAddress: SocketAddress, host: String? = nil) {
        descriptor = Descriptor(owning: number)
        self.remoteAddress = remoteAddress
        self.host = host
    }

    /// Makes a socket and connects it; `TCPConnection` and `UnixConnection` say with what.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    static func open(
        _ address: SocketAddress, from local: SocketAddress? = nil, host: String? = nil, until deadline: Deadline?
    ) throws -> Self {
        let number = swiftlet_socket_make(address.rawFamily)
        guard number >= 0 else { throw SocketError(.connect, address.description, .init(status: number)) }
        let connection = Self(owning: number, remoteAddress: address, host: host)
        let descriptor = connection.descriptor
        do {
            if let local {
                let status = local.withRaw { swiftlet_socket_set_source(number, $0.baseAddress, CInt($0.count)) }
                guard status == 0 else { throw SocketError(.bind, local.host, .init(status: status)) }
            }
            while true {
                var status = address.withRaw { swiftlet_socket_connect(number, $0.baseAddress, CInt($0.count)) }
                // Not before the call: a socket that is no connection yet is reported as hung up.
                if status == 0 || status == -EINPROGRESS { try descriptor.expectsNoInput() }
                if status == -EINPROGRESS {
                    // connect(2): when the socket becomes writable, SO_ERROR tells how it ended.
                    try descriptor.refused(.writing, until: deadline)
                    try descriptor.waitUnlessReady(.writing, until: deadline)
                    status = swiftlet_socket_outcome(number)
                } else if status == -EAGAIN {
                    // A Unix listener whose queue is full; nothing tells when there is room (unix(7)).
                    if let deadline, deadline < .now { throw DeadlineExceeded() }
                    try sleep(.milliseconds(5))
                    continue
                }
                guard status == 0 else {
                    throw SocketError(.connect, connection.peerName, .init(status: status))
                }
                return connection
            }
        } catch {
            connection.close()
            throw SocketError.translate(error, .connect, connection.peerName)
        }
    }

    // MARK: What is known of it

    /// How long a read may wait for the peer before it throws; `nil`, the default, is for ever.
    public final var readTimeout: Duration? {
        get { storedReadTimeout }
        set { storedReadTimeout = newValue }
    }

    /// How long a write may wait without the peer taking anything before it throws; `nil`, the default, is for ever.
    public final var writeTimeout: Duration? {
        get { storedWriteTimeout }
        set { storedWriteTimeout = newValue }
    }

    /// Sets both `readTimeout` and `writeTimeout`; reads as the former.
    public final var timeout: Duration? {
        get { storedReadTimeout }
        set {
            storedReadTimeout = newValue
            storedWriteTimeout = newValue
        }
    }

    /// This side; `nil` once it is closed.
    public final var localAddress: SocketAddress? { SocketAddress.local(of: descriptor.number) }

    /// `close()` was called.
    public final var isClosed: Bool { descriptor.isClosed }

    /// Something can be read at once: bytes, the end, or an error. One call to the kernel; nothing is taken.
    public final var hasInput: Bool { swiftlet_socket_has_input(descriptor.number) }

    /// The name that was connected to, with the address: as errors name the other side.
    public final var peerName: String { host.map { "\($0) (\(remoteAddress))" } ?? remoteAddress.description }

    // MARK: Ending

    /// Ends the stream in this direction; the peer reads its end. The other direction stays open.
    ///
    /// - Throws: `SocketError`.
    public final func closeWriting() throws {
        let status = swiftlet_socket_end_writing(descriptor.number)
        guard status == 0 else { throw SocketError(.closeWriting, peerName, .init(status: status)) }
    }

    /// Has a closure called on this loop when the peer ends its side, or the connection breaks.
    public final func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws {
        do {
            try descriptor.observeEnd(observer)
        } catch {
            throw SocketError.translate(error, .read, peerName)
        }
    }

    /// Closes the connection and wakes whoever waits on it with an error. Closing twice does nothing.
    public final func close() { descriptor.close() }
}

extension SocketAddress {
    static func local(of number: CInt) -> SocketAddress? {
        withUnsafeTemporaryAllocation(byteCount: rawSize, alignment: 8) { raw in
            var length = CInt(rawSize)
            guard swiftlet_socket_local_address(number, raw.baseAddress, &length) == 0 else { return nil }
            return SocketAddress(raw: UnsafeRawBufferPointer(rebasing: raw[..<Int(length)]))
        }
    }
}
