import Glibc
public import HTTPTypes

/// A proxy for HTTP: asked for whole URLs over http, and for tunnels (CONNECT) over https.
public struct HTTPProxy: Sendable, Hashable {
    /// Where it listens. Its credentials are sent to it.
    public var url: HTTPURL
    /// Further fields of what asks for a tunnel. Over http the request's own fields are all there is.
    public var headers: HTTPFields

    public init(_ url: HTTPURL, headers: HTTPFields = [:]) {
        self.url = url
        self.headers = headers
    }

    /// The Proxy-Authorization field.
    var authorization: String? {
        url.credentials.map { HTTPAuthentication.basicField(user: $0.user, password: $0.password) }
    }
}

/// Which requests go through which proxy.
public enum HTTPProxies: Sendable {
    /// All go directly.
    case none
    /// All go through one, but to the hosts of the list: as `no_proxy` has it.
    case all(HTTPProxy, except: [String] = [])
    /// What the environment says at the first use: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`.
    case environment

    /// The proxy for a URL.
    func proxy(for url: HTTPURL) -> HTTPProxy? {
        switch self {
        case .none: return nil
        case .all(let proxy, let exceptions): return Self.isExcepted(url, exceptions) ? nil : proxy
        case .environment: return Self.settings.proxy(for: url)
        }
    }

    struct Environment: Sendable {
        var http: HTTPProxy?
        var https: HTTPProxy?
        var exceptions: [String] = []

        init(_ variable: (String) -> String?) {
            func value(_ name: String) -> String? {
                if let value = variable(name), !value.isEmpty { return value }
                // A CGI program's HTTP_PROXY is the Proxy field of whoever sent the request (CVE-2016-5385).
                if name == "http_proxy", variable("REQUEST_METHOD") != nil { return nil }
                return variable(name.uppercased()).flatMap { $0.isEmpty ? nil : $0 }
            }
            func proxy(_ name: String) -> HTTPProxy? {
                guard let text = value(name) ?? value("all_proxy") else { return nil }
                guard let url = try? HTTPURL(text.contains("://") ? text : "http://" + text) else { return nil }
                return HTTPProxy(url)
            }
            http = proxy("http_proxy")
            https = proxy("https_proxy")
            exceptions = (value("no_proxy") ?? "").split(whereSeparator: { ", ".contains($0) }).map(String.init)
        }

        func proxy(for url: HTTPURL) -> HTTPProxy? {
            if HTTPProxies.isExcepted(url, exceptions) { return nil }
            return url.scheme == .https ? https : http
        }
    }

    private static let settings = Environment { name in getenv(name).map { String(cString: $0) } }

    /// As curl reads `no_proxy`: `*`, a host, a domain with all below it, each perhaps with a port.
    static func isExcepted(_ url: HTTPURL, _ exceptions: [String]) -> Bool {
        exceptions.contains { entry in
            if entry == "*" { return true }
            var name = entry.lowercased()[...]
            if let colon = name.lastIndex(of: ":"), let port = Int(name[name.index(after: colon)...]),
                name.hasPrefix("[") || name.firstIndex(of: ":") == colon
            {
                guard port == url.port else { return false }
                name = name[..<colon]
            }
            if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
            if name.hasPrefix("*.") { name = name.dropFirst() }
            if name.hasPrefix(".") { name = name.dropFirst() }
            return !name.isEmpty
                && (url.host == name || (url.host.hasSuffix("." + name) && !CookieDomain.isAddress(url.host)))
        }
    }
}
