import CSwiftlet
import Glibc

/// Where a socket is on the network: an IPv4 or IPv6 address and a port.
///
/// Its description is what one would type: `127.0.0.1:80`, `[::1]:80`.
public struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    /// The two kinds of addresses.
    public enum Family: Sendable, Hashable {
        case ipv4
        case ipv6
    }

    /// Which kind of address it is.
    public let family: Family
    /// The port, from 0 to 65535.
    public let port: Int
    /// Which interface a link-local IPv6 address belongs to; 0 for all others.
    let scope: UInt32
    /// The address in the network's byte order, as it lies in memory; an IPv4 address fills the first four bytes.
    private let bytes: (UInt64, UInt64)

    /// The size of the kernel's form of an IPv6 address, the larger one (`struct sockaddr_in6`, ipv6(7)).
    static let rawSize = 28

    /// Takes an address written in numbers, such as `127.0.0.1`, `::1` or `fe80::1%eth0`; `nil` for a name.
    ///
    /// - Parameters:
    ///   - host: the address.
    ///   - port: from 0 to 65535; anything else is `nil` as well.
    public init?(numericHost host: String, port: Int) {
        guard (0...65535).contains(port) else { return nil }
        let parts = host.split(separator: "%", maxSplits: 1)
        guard let address = parts.first else { return nil }
        var raw = (UInt64(0), UInt64(0))
        if parts.count == 1, inet_pton(AF_INET, host, &raw) == 1 {
            self.init(family: .ipv4, port: port, scope: 0, bytes: raw)
        } else if inet_pton(AF_INET6, String(address), &raw) == 1 {
            var scope: UInt32 = 0
            if parts.count == 2 {
                scope = if_nametoindex(String(parts[1]))
                if scope == 0, let number = UInt32(parts[1]) { scope = number }
                guard scope != 0 else { return nil }
            }
            self.init(family: .ipv6, port: port, scope: scope, bytes: raw)
        } else {
            return nil
        }
    }

    private init(family: Family, port: Int, scope: UInt32, bytes: (UInt64, UInt64)) {
        self.family = family
        self.port = port
        self.scope = scope
        self.bytes = bytes
    }

    /// Reads the kernel's form (ip(7), ipv6(7)); `nil` for other families.
    ///
    /// - Parameter port: replaces the port found there.
    init?(raw: UnsafeRawBufferPointer, port: Int? = nil) {
        guard raw.count >= 16 else { return nil }
        let port = port ?? Int(UInt16(bigEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        switch CInt(raw.loadUnaligned(as: sa_family_t.self)) {
        case AF_INET:
            let address = raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            var bytes = (UInt64(0), UInt64(0))
            withUnsafeMutableBytes(of: &bytes) { $0.storeBytes(of: address, as: UInt32.self) }
            self.init(family: .ipv4, port: port, scope: 0, bytes: bytes)
        case AF_INET6 where raw.count >= Self.rawSize:
            self.init(
                family: .ipv6, port: port, scope: raw.loadUnaligned(fromByteOffset: 24, as: UInt32.self),
                bytes: (
                    raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                    raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                ))
        default: return nil
        }
    }

    /// Lends the kernel's form.
    func withRaw<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeTemporaryAllocation(byteCount: Self.rawSize, alignment: 8) { raw in
            raw.initializeMemory(as: UInt8.self, repeating: 0)
            raw.storeBytes(of: sa_family_t(rawFamily), as: sa_family_t.self)
            raw.storeBytes(of: UInt16(port).bigEndian, toByteOffset: 2, as: UInt16.self)
            switch family {
            case .ipv4:
                let address = withUnsafeBytes(of: bytes) { $0.load(as: UInt32.self) }
                raw.storeBytes(of: address, toByteOffset: 4, as: UInt32.self)
                return try body(UnsafeRawBufferPointer(rebasing: raw[..<16]))
            case .ipv6:
                raw.storeBytes(of: bytes.0, toByteOffset: 8, as: UInt64.self)
                raw.storeBytes(of: bytes.1, toByteOffset: 16, as: UInt64.self)
                raw.storeBytes(of: scope, toByteOffset: 24, as: UInt32.self)
                return try body(UnsafeRawBufferPointer(raw))
            }
        }
    }

    var rawFamily: CInt { family == .ipv4 ? AF_INET : AF_INET6 }

    /// The address in numbers, without the port and without brackets.
    public var host: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            var bytes = bytes
            // Cannot fail: the family is one of the two and the text is long enough (inet_ntop(3)).
            guard inet_ntop(rawFamily, &bytes, text.baseAddress!, socklen_t(text.count)) != nil else { return "?" }
            let address = String(cString: text.baseAddress!)
            return scope == 0 ? address : "\(address)%\(scope)"
        }
    }

    public var description: String { family == .ipv4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    /// Whether both are the same address and port.
    public static func == (left: SocketAddress, right: SocketAddress) -> Bool {
        left.family == right.family && left.port == right.port && left.scope == right.scope && left.bytes == right.bytes
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(port)
        hasher.combine(bytes.0)
        hasher.combine(bytes.1)
    }
}
