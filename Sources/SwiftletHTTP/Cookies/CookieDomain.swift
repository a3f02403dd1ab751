import Swiftlet

/// Which hosts and paths a cookie belongs to (RFC 6265, 5.1.3 and 5.1.4).
enum CookieDomain {
    /// The host is the domain, or a name below it.
    static func matches(_ host: String, _ domain: String) -> Bool {
        host == domain || (host.hasSuffix("." + domain) && !isAddress(host))
    }

    static func isAddress(_ host: String) -> Bool { SocketAddress(numericHost: host, port: 0) != nil }

    /// This machine, to which nobody listens in: browsers send secure cookies there without TLS.
    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host.hasSuffix(".localhost") || host == "::1"
            || (host.hasPrefix("127.") && isAddress(host))
    }

    /// The host and the domains above it.
    static func namesAbove(_ host: String) -> [String] {
        guard !isAddress(host) else { return [host] }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        return labels.indices.map { labels[$0...].joined(separator: ".") }
    }

    /// The directory of the path that set the cookie.
    static func defaultPath(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    static func path(_ path: String, isUnder cookiePath: String) -> Bool {
        guard path.hasPrefix(cookiePath) else { return false }
        return path == cookiePath || cookiePath.utf8.last == UInt8(ascii: "/")
            || path.utf8.dropFirst(cookiePath.utf8.count).first == UInt8(ascii: "/")
    }
}
