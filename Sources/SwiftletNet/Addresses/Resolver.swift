import Glibc
public import SwiftletLoop

/// `EAI_ADDRFAMILY` of <netdb.h>, which Glibc's Swift module lacks.
private let noAddressOfThatFamily: CInt = -9

/// Finds the addresses of hosts.
///
/// Addresses written in numbers are taken as they are. Everything else goes through `getaddrinfo`, so through
/// `/etc/hosts`, DNS and whatever else this machine is set up for, on a thread of the bounded pool of `toThread`.
public enum Resolver {
    /// The addresses of a host, best first (the order of RFC 6724, as `getaddrinfo` gives it).
    ///
    /// Cancellation: ends the wait; the lookup runs to its end and its result is dropped.
    /// - Parameters:
    ///   - host: a name, or an address in numbers, without brackets.
    ///   - port: from 0 to 65535; every address gets it.
    ///   - deadline: when to give up.
    /// - Throws: `ResolverError`; `DeadlineExceeded`; `CancellationError`.
    public static func addresses(of host: String, port: Int, until deadline: Deadline? = nil) throws -> [SocketAddress]
    {
        try resolve(host, port: port, until: deadline)
    }

    /// The addresses of a host, best first, from a task.
    ///
    /// Cancellation: ends the wait; the lookup runs to its end and its result is dropped.
    /// - Throws: `ResolverError`; `DeadlineExceeded`; `CancellationError`.
    public static func addresses(
        of host: String, port: Int, until deadline: Deadline? = nil
    ) async throws -> [SocketAddress] {
        try await parkInTask { try resolve(host, port: port, until: deadline) }
    }

    static func resolve(_ host: String, port: Int, until deadline: Deadline?) throws -> [SocketAddress] {
        guard (0...65535).contains(port) else { throw ResolverError(host: host, reason: .invalidPort(port)) }
        if let address = SocketAddress(numericHost: host, port: port) { return [address] }
        // A zero byte would end the name early, and another host would be asked for.
        guard !host.isEmpty, !host.utf8.contains(0) else { throw ResolverError(host: host, reason: .invalidName) }
        guard let deadline else { return try toThread { try look(up: host, port: port) } }
        return try withDeadline(deadline) { try toThread { try look(up: host, port: port) } }
    }

    private static func look(up host: String, port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        // Without it hosts that have no IPv6 are offered addresses that they cannot reach (getaddrinfo(3)).
        hints.ai_flags = AI_ADDRCONFIG
        var first: UnsafeMutablePointer<addrinfo>?
        var status = getaddrinfo(host, nil, &hints, &first)
        if status == EAI_NONAME || status == noAddressOfThatFamily {
            // A machine with nothing but its loopback has no configured family at all, and still a localhost.
            hints.ai_flags = 0
            status = getaddrinfo(host, nil, &hints, &first)
        }
        guard status == 0 else {
            throw ResolverError(host: host, reason: .lookup(code: status, errno: status == EAI_SYSTEM ? errno : 0))
        }
        defer { freeaddrinfo(first) }
        var found: [SocketAddress] = []
        var next = first
        while let entry = next {
            next = entry.pointee.ai_next
            let raw = UnsafeRawBufferPointer(start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen))
            if let address = SocketAddress(raw: raw, port: port), !found.contains(address) { found.append(address) }
        }
        return found
    }
}

/// The addresses of a host could not be found.
public struct ResolverError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Why not.
    public enum Reason: Sendable, Hashable {
        /// What `getaddrinfo` answered: one of the `EAI_` codes, and errno if that was `EAI_SYSTEM`.
        case lookup(code: CInt, errno: CInt)
        /// The name is empty or has a zero byte.
        case invalidName
        /// The port is not one from 0 to 65535.
        case invalidPort(Int)
    }

    /// The host that was asked for.
    public let host: String
    public let reason: Reason

    public var description: String {
        switch reason {
        case .invalidName: "cannot look up \"\(host)\": that is no name of a host"
        case .invalidPort(let port): "port \(port) of \(host) does not exist: ports go from 0 to 65535"
        case .lookup(let code, let errno):
            "cannot look up \(host): \(errno == 0 ? String(cString: gai_strerror(code)) : String(cString: strerror(errno)))"
                + (Self.advice[code].map { "; \($0)" } ?? "")
        }
    }

    private static let advice: [CInt: String] = [
        EAI_NONAME: "check its spelling",
        EAI_AGAIN: "the name server did not answer: check the network and /etc/resolv.conf, or try again",
    ]
}
