import CSwiftlet
import Glibc
import SwiftletLoop

/// A UDP socket as straight-line code: calls that would block park the calling fiber or task instead. On a plain thread
/// they block.
///
/// ```swift
/// let socket = try UDPSocket(port: 9000)
/// while true {
///     let datagram = try socket.receive()
///     try socket.send(datagram.bytes, to: datagram.sender)
/// }
/// ```
///
/// Datagrams may be lost, doubled and overtaken on their way; what arrives is whole.
///
/// Thread rules: it may be used from any loop or thread, by one receiver and one sender at a time; it moves to the loop that
/// waits on it. It is closed by `close()` or with the last reference. Closing wakes who waits on a loop; a plain thread
/// that blocks is not woken.
public final class UDPSocket: Sendable {
    let descriptor: Descriptor
    /// This side, with the port that was picked for port 0.
    public let localAddress: SocketAddress
    /// The peer that it is connected to, if it is: others cannot send to it, and `send` needs no address.
    public let remoteAddress: SocketAddress?

    /// The largest payload of any datagram: the length field has 16 bits (RFC 768).
    public static let largestDatagram = 65535

    /// This side's port.
    public var port: Int { localAddress.port }

    // MARK: Making

    /// Makes a socket that receives at an address and a port of this machine.
    ///
    /// - Parameters:
    ///   - host: an address of this machine, or a name of one. `0.0.0.0` is all of IPv4, `::` all there are.
    ///   - port: from 0 to 65535; 0 picks a free one.
    ///   - reusePort: lets other sockets have the same port; the kernel spreads datagrams over them.
    /// - Throws: `SocketError`, `ResolverError`.
    public convenience init(host: String = "127.0.0.1", port: Int = 0, reusePort: Bool = false) throws {
        guard let address = try Resolver.shared.addresses(of: host, port: port).first else {
            throw SocketError(.bind, "\(host):\(port)", .system(errno: EADDRNOTAVAIL))
        }
        let descriptor = try Self.makeDescriptor(for: address, .bind)
        let status = address.withRaw {
            swiftlet_datagram_bind(descriptor.number, $0.baseAddress, CInt($0.count), reusePort)
        }
        guard status == 0 else { throw SocketError(.bind, address.description, .system(errno: -status)) }
        self.init(descriptor, localAddress: SocketAddress.local(of: descriptor.number) ?? address, remoteAddress: nil)
    }

    /// Makes a socket for one peer. Nothing is sent by that; a peer that is not there shows at a later call.
    ///
    /// Cancellation: ends looking up the name.
    /// - Parameters:
    ///   - host: a name, or an address in numbers, without brackets. Of several addresses the first is taken.
    ///   - port: from 1 to 65535.
    /// - Throws: `ResolverError`; `SocketError`; `CancellationError`.
    public static func connect(to host: String, port: Int) throws -> UDPSocket { try open(host, port: port) }

    /// Makes a socket for one peer, from a task.
    ///
    /// Cancellation: ends looking up the name.
    public static func connect(to host: String, port: Int) async throws -> UDPSocket {
        try await parkInTask { try open(host, port: port) }
    }

    private static func open(_ host: String, port: Int) throws -> UDPSocket {
        guard let address = try Resolver.shared.addresses(of: host, port: port).first else {
            throw SocketError(.connect, "\(host):\(port)", .system(errno: EDESTADDRREQ))
        }
        let descriptor = try makeDescriptor(for: address, .connect)
        let status = address.withRaw { swiftlet_socket_connect(descriptor.number, $0.baseAddress, CInt($0.count)) }
        guard status == 0, let local = SocketAddress.local(of: descriptor.number) else {
            throw SocketError(.connect, address.description, .system(errno: status == 0 ? errno : -status))
        }
        return UDPSocket(descriptor, localAddress: local, remoteAddress: address)
    }

    private static func makeDescriptor(
        for address: SocketAddress, _ operation: SocketError.Operation
    ) throws -> Descriptor {
        let number = swiftlet_datagram_make(address.rawFamily)
        guard number >= 0 else { throw SocketError(operation, address.description, .system(errno: -number)) }
        return Descriptor(owning: number)
    }

    private init(_ descriptor: Descriptor, localAddress: SocketAddress, remoteAddress: SocketAddress?) {
        self.descriptor = descriptor
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
    }

    /// Lets it send to broadcast addresses, which the kernel refuses otherwise.
    ///
    /// - Throws: `SocketError`.
    public func setAllowsBroadcast(_ allows: Bool) throws {
        let status = swiftlet_datagram_allow_broadcast(descriptor.number, allows)
        guard status == 0 else { throw failure(.send, status, peer: remoteAddress) }
    }

    // MARK: Ending

    /// Closes the socket and wakes whoever waits on it with an error. Closing twice does nothing.
    public func close() { descriptor.close() }

    /// `close()` was called.
    public var isClosed: Bool { descriptor.isClosed }

    func failure(_ operation: SocketError.Operation, _ status: some SignedInteger, peer: SocketAddress?) -> SocketError
    {
        SocketError(operation, (peer ?? localAddress).description, .init(status: status))
    }
}

/// One datagram as it was received.
public struct Datagram: Sendable, Hashable {
    public let bytes: [UInt8]
    /// Who sent it, and where an answer goes.
    public let sender: SocketAddress
    /// It was longer than what `receive` would take; the rest is lost.
    public let isTruncated: Bool

    /// The bytes as UTF-8 text; what is not is replaced.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}
