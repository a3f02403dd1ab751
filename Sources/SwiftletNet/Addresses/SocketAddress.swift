import CSwiftlet
import Glibc

/// Where a socket is: an IPv4 or IPv6 address and a port, or the path of a Unix socket.
///
/// Its description is what one would type: `127.0.0.1:80`, `[::1]:80`, `unix:/run/service.socket`.
public struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    /// The kinds of addresses.
    public enum Family: Sendable, Hashable {
        case ipv4
        case ipv6
        case unix
    }

    /// Which kind of address it is.
    public let family: Family
    /// The port, from 0 to 65535; 0 for a Unix socket.
    public let port: Int
    /// Which interface a link-local IPv6 address belongs to; 0 for all others.
    let scope: UInt32
    /// The address in the network's byte order, as it lies in memory; an IPv4 address fills the first four bytes.
    private let bytes: (UInt64, UInt64)
    /// The kernel's name of a Unix socket: a path without its final zero byte, or a zero byte and an abstract name.
    private let unixName: [UInt8]?

    /// The size of the kernel's form of the longest, a Unix address (`struct sockaddr_un`, unix(7)).
    static let rawSize = 110
    private static let ipv6Size = 28
    private static let longestUnixPath = 107

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

    /// Takes the path of a Unix socket; `nil` for one that is empty, holds a zero byte, or has more than 107 bytes.
    ///
    /// What begins with `@` is a name in the kernel's abstract namespace, which leaves no file; `./@name` is a file.
    public init?(unixPath path: String) {
        var name = Array(path.utf8)
        guard !name.isEmpty, name.count <= Self.longestUnixPath, !name.contains(0) else { return nil }
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        self.init(unixName: name)
    }

    /// That of a Unix socket which was not bound, as clients have.
    static let unnamedUnix = SocketAddress(unixName: [])

    private init(unixName: [UInt8]) {
        self.init(family: .unix, port: 0, scope: 0, bytes: (0, 0), unixName: unixName)
    }

    private init(family: Family, port: Int, scope: UInt32, bytes: (UInt64, UInt64), unixName: [UInt8]? = nil) {
        self.family = family
        self.port = port
        self.scope = scope
        self.bytes = bytes
        self.unixName = unixName
    }

    /// Reads the kernel's form (ip(7), ipv6(7), unix(7)); `nil` for other families.
    ///
    /// - Parameter port: replaces the port found there.
    init?(raw: UnsafeRawBufferPointer, port: Int? = nil) {
        guard raw.count >= 2 else { return nil }
        if CInt(raw.loadUnaligned(as: sa_family_t.self)) == AF_UNIX {
            let name = raw.dropFirst(2)
            // A path ends at a zero byte, which the kernel counts or not; an abstract name begins with one.
            self.init(unixName: Array(name.first == 0 ? name : name.prefix { $0 != 0 }))
            return
        }
        guard raw.count >= 16 else { return nil }
        let port = port ?? Int(UInt16(bigEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        switch CInt(raw.loadUnaligned(as: sa_family_t.self)) {
        case AF_INET:
            let address = raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            var bytes = (UInt64(0), UInt64(0))
            withUnsafeMutableBytes(of: &bytes) { $0.storeBytes(of: address, as: UInt32.self) }
            self.init(family: .ipv4, port: port, scope: 0, bytes: bytes)
        case AF_INET6 where raw.count >= Self.ipv6Size:
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
                return try body(UnsafeRawBufferPointer(rebasing: raw[..<Self.ipv6Size]))
            case .unix:
                let name = unixName ?? []
                UnsafeMutableRawBufferPointer(rebasing: raw[2...]).copyBytes(from: name)
                // A path is followed by a zero byte; an abstract name has exactly its length.
                let size = 2 + name.count + (name.first == 0 ? 0 : 1)
                return try body(UnsafeRawBufferPointer(rebasing: raw[..<size]))
            }
        }
    }

    /// The same address with another port.
    func withPort(_ port: Int) -> SocketAddress {
        SocketAddress(family: family, port: port, scope: scope, bytes: bytes, unixName: unixName)
    }

    var rawFamily: CInt {
        switch family {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// The path of a Unix socket, with `@` before an abstract name; empty for a socket that has no name, as clients have.
    /// `nil` for the other families.
    public var unixPath: String? {
        guard let unixName else { return nil }
        guard unixName.first == 0 else { return String(decoding: unixName, as: UTF8.self) }
        return "@" + String(decoding: unixName.dropFirst(), as: UTF8.self)
    }

    /// The address in numbers, without the port and without brackets; of a Unix socket its path.
    public var host: String {
        if let unixPath { return unixPath }
        if family == .ipv4 { return dottedQuad }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
            var bytes = bytes
            // Cannot fail: the family is one of the two and the text is long enough (inet_ntop(3)).
            guard inet_ntop(rawFamily, &bytes, text.baseAddress!, socklen_t(text.count)) != nil else { return "?" }
            let address = String(cString: text.baseAddress!)
            return scope == 0 ? address : "\(address)%\(scope)"
        }
    }

    /// Not by inet_ntop(3), which goes through printf and its kilobyte of stack: that would be a page more for each fiber that
    /// makes a connection.
    private var dottedQuad: String {
        withUnsafeBytes(of: bytes) { bytes in
            String(unsafeUninitializedCapacity: 15) { text in
                var count = 0
                for (index, byte) in bytes.prefix(4).enumerated() {
                    if index > 0 {
                        text[count] = UInt8(ascii: ".")
                        count += 1
                    }
                    for divisor: UInt8 in [100, 10, 1] where byte >= divisor || divisor == 1 {
                        text[count] = UInt8(ascii: "0") + byte / divisor % 10
                        count += 1
                    }
                }
                return count
            }
        }
    }

    public var description: String {
        switch family {
        case .ipv4: "\(host):\(port)"
        case .ipv6: "[\(host)]:\(port)"
        case .unix: "unix:\(host)"
        }
    }

    /// Whether both are the same address.
    public static func == (left: SocketAddress, right: SocketAddress) -> Bool {
        left.family == right.family && left.port == right.port && left.scope == right.scope
            && left.bytes == right.bytes && left.unixName == right.unixName
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(port)
        hasher.combine(bytes.0)
        hasher.combine(bytes.1)
        if let unixName { hasher.combine(unixName) }
    }
}
