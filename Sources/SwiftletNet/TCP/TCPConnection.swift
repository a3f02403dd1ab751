import CSwiftlet
import Glibc
public import SwiftletLoop

/// A TCP connection as straight-line code: calls that would block park the calling fiber or task instead. On a plain
/// thread they block.
///
/// ```swift
/// let connection = try TCPConnection.connect(to: "example.com", port: 80)
/// defer { connection.close() }
/// try connection.write("GET / HTTP/1.0\r\n\r\n")
/// print(try connection.readToEnd().count)
/// ```
///
/// Thread rules: it may be used from any loop or thread, by one reader and one writer at a time; it moves to the loop
/// that waits on it, so it is cheapest where it stays. While somebody waits on it on one loop, waiting on another throws a
/// `SocketError`. It is closed by `close()` or with the last reference. Closing
/// wakes who waits on a loop; a plain thread that blocks is not woken.
public final class TCPConnection: ByteStream {
    let descriptor: Descriptor
    /// The other side.
    public let remoteAddress: SocketAddress
    /// The name that was connected to, if one was.
    let host: String?
    // Set before use by the one who made it, or between its operations.
    nonisolated(unsafe) private var storedReadTimeout: Duration?
    nonisolated(unsafe) private var storedWriteTimeout: Duration?

    /// Takes over a connected socket that does not block.
    init(owning number: CInt, remoteAddress: SocketAddress, host: String? = nil) {
        descriptor = Descriptor(owning: number)
        self.remoteAddress = remoteAddress
        self.host = host
    }

    // MARK: Connecting

    /// Connects to a host by name or address. Each of its addresses is tried in turn.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Parameters:
    ///   - host: a name, or an address in numbers, without brackets.
    ///   - port: from 1 to 65535.
    ///   - timeout: for looking up the name and connecting together; `nil` waits as long as the kernel does.
    /// - Throws: `ResolverError`; `SocketError` of the last address that was tried; `CancellationError`.
    public static func connect(
        to host: String, port: Int, timeout: Duration? = .seconds(30)
    ) throws -> TCPConnection {
        try open(host, port: port, timeout: timeout)
    }

    /// Connects to the first of several addresses that accepts.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Parameters:
    ///   - addresses: at least one.
    ///   - host: the name that they belong to, for errors.
    ///   - deadline: when to give up. While others are left, an address gets an equal part of what remains.
    /// - Throws: `SocketError` of the last address that was tried; `CancellationError`.
    public static func connect(
        to addresses: [SocketAddress], of host: String? = nil, until deadline: Deadline? = nil
    ) throws -> TCPConnection {
        try open(addresses, host: host, until: deadline)
    }

    static func open(_ host: String, port: Int, timeout: Duration?) throws -> TCPConnection {
        let deadline = timeout.map { Deadline.after($0) }
        do {
            let addresses = try Resolver.resolve(host, port: port, until: deadline)
            return try open(addresses, host: addresses.first?.host == host ? nil : host, until: deadline)
        } catch {
            throw SocketError.translate(error, .connect, "\(host):\(port)")
        }
    }

    static func open(_ addresses: [SocketAddress], host: String?, until deadline: Deadline?) throws -> TCPConnection {
        var failure = SocketError(.connect, host ?? "no address", .system(errno: EDESTADDRREQ))
        for (index, address) in addresses.enumerated() {
            // One address that swallows packets must not use up the time of those behind it.
            let share = deadline.map { Deadline.after($0.remaining / (addresses.count - index)) }
            do {
                return try open(address, host: host, until: share)
            } catch let error as SocketError {
                failure = error
            }
        }
        throw failure
    }

    private static func open(_ address: SocketAddress, host: String?, until deadline: Deadline?) throws -> TCPConnection
    {
        let number = swiftlet_socket_make(address.rawFamily)
        guard number >= 0 else {
            throw SocketError(.connect, address.description, .system(errno: -number))
        }
        let connection = TCPConnection(owning: number, remoteAddress: address, host: host)
        do {
            var status = address.withRaw { swiftlet_socket_connect(number, $0.baseAddress, CInt($0.count)) }
            if status == -EINPROGRESS {
                // connect(2): when the socket becomes writable, SO_ERROR tells how it ended.
                try connection.descriptor.refused(.writing, until: deadline)
                try connection.descriptor.waitUnlessReady(.writing, until: deadline)
                status = swiftlet_socket_outcome(number)
            }
            guard status == 0 else { throw connection.failure(.connect, status) }
            return connection
        } catch {
            connection.close()
            throw SocketError.translate(error, .connect, connection.peerName)
        }
    }

    /// Runs the body with a connection that is closed afterwards.
    ///
    /// - Throws: what `connect` and the body throw.
    public static func with<Value>(
        _ host: String, port: Int, timeout: Duration? = .seconds(30), _ body: (TCPConnection) throws -> Value
    ) throws -> Value {
        let connection = try open(host, port: port, timeout: timeout)
        defer { connection.close() }
        return try body(connection)
    }

    // MARK: What is known of it

    /// How long a read may wait for the peer before it throws; `nil`, the default, is for ever.
    public var readTimeout: Duration? {
        get { storedReadTimeout }
        set { storedReadTimeout = newValue }
    }

    /// How long a write may wait without the peer taking anything before it throws; `nil`, the default, is for ever.
    public var writeTimeout: Duration? {
        get { storedWriteTimeout }
        set { storedWriteTimeout = newValue }
    }

    /// Sets both `readTimeout` and `writeTimeout`; reads as the former.
    public var timeout: Duration? {
        get { storedReadTimeout }
        set {
            storedReadTimeout = newValue
            storedWriteTimeout = newValue
        }
    }

    /// This side; `nil` once it is closed.
    public var localAddress: SocketAddress? { SocketAddress.local(of: descriptor.number) }

    /// `close()` was called.
    public var isClosed: Bool { descriptor.isClosed }

    /// Something can be read at once: bytes, the end, or an error. One call to the kernel; nothing is taken.
    public var hasInput: Bool { swiftlet_socket_has_input(descriptor.number) }

    // MARK: Ending

    /// Ends the stream in this direction; the peer reads its end. The other direction stays open.
    ///
    /// - Throws: `SocketError`.
    public func closeWriting() throws {
        let status = swiftlet_socket_end_writing(descriptor.number)
        guard status == 0 else { throw failure(.closeWriting, status) }
    }

    /// Closes the connection and wakes whoever waits on it with an error. Closing twice does nothing.
    public func close() { descriptor.close() }

    /// Has a closure called on this loop when the peer ends its side, or the connection breaks.
    public func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws {
        do {
            try descriptor.observeEnd(observer)
        } catch {
            throw SocketError.translate(error, .read, peerName)
        }
    }

    /// The name that was connected to, with the address: as errors name the other side.
    public var peerName: String { host.map { "\($0) (\(remoteAddress))" } ?? remoteAddress.description }

    func failure(_ operation: SocketError.Operation, _ status: some SignedInteger) -> SocketError {
        let errno = CInt(-status)
        return SocketError(operation, peerName, errno == EBADF ? .closed : .system(errno: errno))
    }
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
