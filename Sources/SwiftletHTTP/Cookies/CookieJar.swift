import Glibc
import HTTPTypes
import Swiftlet
import SwiftletCoroutines
import Synchronization

/// The cookies of a session (RFC 6265): what servers set, sent back where it belongs.
///
/// A cookie for a domain is taken only from a host of that domain. Domains with one label, such as `com`, are refused, and
/// whatever `isPublicSuffix` says. The list of all public suffixes, such as `co.uk`, is not built in, since it changes every
/// week: a client that talks to hosts which do not trust each other below such a suffix should hand in that test.
///
/// Thread rules: any number of clients, threads and tasks may share one.
///
/// The Python counterpart is aiohttp's `CookieJar`.
public final class CookieJar: Sendable {
    /// A cookie with all that decides where it goes.
    struct Entry: Sendable, Hashable {
        var cookie: HTTPCookie
        var domain: String
        var path: String
        var order: Int
    }

    private struct State {
        var entries: [String: [Entry]] = [:]
        var count = 0
        var order = 0
    }

    /// A server may not fill the memory: RFC 6265, 6.1, asks for at least these.
    private static let limitPerDomain = 50
    private static let limit = 3000
    private static let largestCookie = 8192

    private let state = Locked(State())
    private let isEmptyNow = Atomic(true)
    private let isPublicSuffix: @Sendable (String) -> Bool
    private let acceptsAddresses: Bool
    private let clock: @Sendable () -> Int64

    /// Makes an empty jar.
    ///
    /// - Parameters:
    ///   - acceptsAddresses: takes cookies from hosts that are IP addresses too, for these alone.
    ///   - isPublicSuffix: a domain under which anybody can have a name. No cookie is taken for such.
    public convenience init(
        acceptsAddresses: Bool = true, isPublicSuffix: @escaping @Sendable (String) -> Bool = { _ in false }
    ) {
        self.init(acceptsAddresses: acceptsAddresses, isPublicSuffix: isPublicSuffix) { Int64(time(nil)) }
    }

    init(
        acceptsAddresses: Bool, isPublicSuffix: @escaping @Sendable (String) -> Bool,
        clock: @escaping @Sendable () -> Int64
    ) {
        self.acceptsAddresses = acceptsAddresses
        self.isPublicSuffix = isPublicSuffix
        self.clock = clock
    }

    /// The number of cookies, those included that have expired since they were last looked at.
    public var count: Int { state.withLock { $0.count } }

    /// Whether there is none. Costs one load.
    public var isEmpty: Bool { isEmptyNow.load(ordering: .acquiring) }

    /// All that have not expired, with their domains and paths.
    public var cookies: [HTTPCookie] {
        let now = clock()
        return entries.filter { $0.isAlive(at: now) }.map { entry in
            var cookie = entry.cookie
            (cookie.domain, cookie.path) = (entry.domain, entry.path)
            return cookie
        }
    }

    var entries: [Entry] { state.withLock { $0.entries.values.joined().sorted { $0.order < $1.order } } }

    // MARK: In

    /// Takes a cookie as if it had come in an answer from a URL.
    ///
    /// - Returns: false if that URL may not set it.
    @discardableResult
    public func set(_ cookie: HTTPCookie, from url: HTTPURL) -> Bool {
        let isAddress = CookieDomain.isAddress(url.host)
        if isAddress, !acceptsAddresses { return false }
        var cookie = cookie
        var domain = url.host
        if let wanted = cookie.domain, !cookie.isHostOnly {
            // 5.3, 5: what a public suffix sets is for itself alone.
            let isSuffix = !wanted.utf8.contains(.point) || isPublicSuffix(wanted)
            if isSuffix || isAddress {
                guard wanted == url.host else { return false }
                cookie.isHostOnly = true
            } else {
                guard CookieDomain.matches(url.host, wanted) else { return false }
                domain = wanted
            }
        }
        guard !cookie.isSecure || url.scheme == .https || CookieDomain.isLoopback(url.host) else { return false }
        guard Self.hasItsPrefix(cookie, from: url) else { return false }
        guard cookie.name.utf8.count + cookie.value.utf8.count <= Self.largestCookie else { return false }
        store(cookie, domain: domain, path: cookie.path ?? CookieDomain.defaultPath(url.path))
        return true
    }

    /// Takes what the Set-Cookie fields of an answer set. Those that its URL may not set are passed over.
    func take(_ fields: HTTPFields, from url: HTTPURL) {
        let now = clock()
        for field in fields[values: .setCookie] {
            if let cookie = HTTPCookie(parsing: field, now: now) { set(cookie, from: url) }
        }
    }

    /// RFC 6265bis, 4.1.3: names that promise how they were set.
    private static func hasItsPrefix(_ cookie: HTTPCookie, from url: HTTPURL) -> Bool {
        let name = cookie.name.lowercased()
        if name.hasPrefix("__secure-") { return cookie.isSecure }
        if name.hasPrefix("__host-") { return cookie.isSecure && cookie.isHostOnly && cookie.path == "/" }
        return true
    }

    private func store(_ cookie: HTTPCookie, domain: String, path: String) {
        let now = clock()
        state.withLock { state in
            var list = state.entries[domain] ?? []
            let before = list.count
            var order = state.order
            state.order += 1
            if let old = list.firstIndex(where: { $0.cookie.name == cookie.name && $0.path == path }) {
                // 5.3, 11.3: the new one keeps the place of the old.
                order = list[old].order
                list.remove(at: old)
            }
            let entry = Entry(cookie: cookie, domain: domain, path: path, order: order)
            if entry.isAlive(at: now) {
                list.append(entry)
                if list.count > Self.limitPerDomain { list.removeAll { !$0.isAlive(at: now) } }
                if list.count > Self.limitPerDomain { list.removeFirst() }
            }
            state.count += list.count - before
            state.entries[domain] = list.isEmpty ? nil : list
            if state.count > Self.limit, let crowded = state.entries.max(by: { $0.value.count < $1.value.count }) {
                state.count -= crowded.value.count
                state.entries[crowded.key] = nil
            }
            isEmptyNow.store(state.count == 0, ordering: .releasing)
        }
    }

    /// Takes back cookies that were in a jar.
    func restore(_ entries: [Entry]) {
        for entry in entries { store(entry.cookie, domain: entry.domain, path: entry.path) }
    }

    // MARK: Out

    /// The cookies that go along with a request to a URL: longer paths first, then in the order of their coming.
    public func cookies(for url: HTTPURL) -> [HTTPCookie] {
        guard !isEmpty else { return [] }
        let now = clock()
        let isSecure = url.scheme == .https || CookieDomain.isLoopback(url.host)
        let found = state.withLock { state in
            CookieDomain.namesAbove(url.host).flatMap { domain in
                (state.entries[domain] ?? []).filter { entry in
                    entry.isAlive(at: now) && (!entry.cookie.isHostOnly || domain == url.host)
                        && (!entry.cookie.isSecure || isSecure) && CookieDomain.path(url.path, isUnder: entry.path)
                }
            }
        }
        return found.sorted { ($0.path.utf8.count, $1.order) > ($1.path.utf8.count, $0.order) }.map(\.cookie)
    }

    /// The Cookie field of a request to a URL, or `nil` if no cookie goes there.
    func field(for url: HTTPURL, except names: Set<String> = []) -> String? {
        let cookies = cookies(for: url).filter { !names.contains($0.name) }
        return cookies.isEmpty ? nil : cookies.map { "\($0.name)=\($0.value)" }.joined(separator: "; ")
    }

    /// Drops all cookies, or those of one domain.
    public func removeAll(domain: String? = nil) {
        state.withLock { state in
            if let domain {
                state.count -= state.entries[domain.lowercased()]?.count ?? 0
                state.entries[domain.lowercased()] = nil
            } else {
                state.entries = [:]
                state.count = 0
            }
            isEmptyNow.store(state.count == 0, ordering: .releasing)
        }
    }
}

extension CookieJar.Entry {
    func isAlive(at now: Int64) -> Bool { cookie.expires.map { $0 > now } ?? true }
}
