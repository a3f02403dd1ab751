import Glibc

/// `EAI_ADDRFAMILY` and `EAI_NODATA` of <netdb.h>, which Glibc's Swift module lacks.
private let noAddressOfThatFamily: CInt = -9
private let noAddress: CInt = -5

extension Resolver {
    /// The addresses that `getaddrinfo` finds, with port 0. Blocks the thread.
    ///
    /// - Throws: `ResolverError`.
    public static func systemLookUp(_ host: String) throws -> [SocketAddress] {
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
            if let address = SocketAddress(raw: raw), !found.contains(address) { found.append(address) }
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

    public init(host: String, reason: Reason) {
        self.host = host
        self.reason = reason
    }

    /// The host has no addresses, which is worth remembering; not that nobody could be asked.
    var isLasting: Bool {
        guard case .lookup(let code, _) = reason else { return true }
        return [EAI_NONAME, noAddress, noAddressOfThatFamily].contains(code)
    }

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
