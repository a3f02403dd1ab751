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
public final class TCPConnection: StreamSocket, @unchecked Sendable {
    /// Connects to a host by name or address. Of several addresses the first that accepts is taken, see
    /// `connect(to:of:until:)`.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Parameters:
    ///   - host: a name, or an address in numbers, without brackets.
    ///   - port: from 1 to 65535.
    ///   - timeout: for looking up the name and connecting together; `nil` waits as long as the kernel does.
    ///   - localHost: the address of this machine to connect from; `nil` leaves it to the kernel.
    ///   - throwsAllErrors: when no address accepts, throw `ConnectFailures` with the error of each.
    ///   - resolver: who looks up the name.
    /// - Throws: `ResolverError`; `SocketError` of the last address that was tried; `ConnectFailures`; `CancellationError`.
    public static func connect(
        to host: String, port: Int, timeout: Duration? = .seconds(30), from localHost: String? = nil,
        throwsAllErrors: Bool = false, resolver: Resolver = .shared
    ) throws -> TCPConnection {
        let deadline = timeout.map { Deadline.after($0) }
        do {
            let addresses = try resolver.addresses(of: host, port: port, until: deadline)
            return try connect(
                to: addresses, of: addresses.first?.host == host ? nil : host, from: localHost, until: deadline,
                throwsAllErrors: throwsAllErrors)
        } catch {
            throw SocketError.translate(error, .connect, "\(host):\(port)")
        }
    }

    /// Connects to a host by name or address, from a task.
    ///
    /// Cancellation: ends the attempt; nothing stays open.
    /// - Throws: `ResolverError`; `SocketError` of the last address that was tried; `ConnectFailures`; `CancellationError`.
    public static func connect(
        to host: String, port: Int, timeout: Duration? = .seconds(30), from localHost: String? = nil,
        throwsAllErrors: Bool = false, resolver: Resolver = .shared
    ) async throws -> TCPConnection {
        try await parkInTask {
            try connect(
                to: host, port: port, timeout: timeout, from: localHost, throwsAllErrors: throwsAllErrors,
                resolver: resolver)
        }
    }

    /// Connects to the first of several addresses that accepts.
    ///
    /// They are tried in their order, IPv6 and IPv4 in turn. The next one is tried when one has failed, or has not answered
    /// in a quarter of a second; the first connection is taken and the other attempts are cancelled (RFC 8305).
    ///
    /// Cancellation: ends the attempts; nothing stays open.
    /// - Parameters:
    ///   - addresses: at least one.
    ///   - host: the name that they belong to, for errors.
    ///   - localHost: the address of this machine to connect from; `nil` leaves it to the kernel. Addresses of the other
    ///     family are left out then.
    ///   - deadline: when to give up.
    ///   - throwsAllErrors: when none accepts, throw `ConnectFailures` with the error of each.
    /// - Throws: `SocketError` of the last address that was tried; `ConnectFailures`; `CancellationError`.
    public static func connect(
        to addresses: [SocketAddress], of host: String? = nil, from localHost: String? = nil,
        until deadline: Deadline? = nil, throwsAllErrors: Bool = false
    ) throws -> TCPConnection {
        let local = try localHost.map { localHost in
            if let address = SocketAddress(numericHost: localHost, port: 0) { return address }
            throw SocketError(.bind, localHost, .system(errno: EADDRNOTAVAIL))
        }
        let addresses = local.map { local in addresses.filter { $0.family == local.family } } ?? addresses
        guard let first = addresses.first else {
            throw SocketError(.connect, host ?? "no address", .system(errno: EDESTADDRREQ))
        }
        if addresses.count == 1, !throwsAllErrors {
            return try open(first, from: local, host: host, until: deadline)
        }
        return try ConnectRace.run(ConnectRace.order(addresses), throwsAllErrors: throwsAllErrors) {
            try open($0, from: local, host: host, until: deadline)
        }
    }

    /// Runs the body with a connection that is closed afterwards.
    ///
    /// - Throws: what `connect` and the body throw.
    public static func with<Value>(
        _ host: String, port: Int, timeout: Duration? = .seconds(30), _ body: (TCPConnection) throws -> Value
    ) throws -> Value {
        let connection = try connect(to: host, port: port, timeout: timeout)
        defer { connection.close() }
        return try body(connection)
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
}
