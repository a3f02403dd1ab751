import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct ConnectTests {
    @Test func refusedConnectionSaysWhereAndWhatToDo() async throws {
        try await onLoop {
            let listener = try TCPListener()
            let port = listener.port
            listener.close()
            let error = try failure(SocketError.self) { try TCPConnection.connect(to: "127.0.0.1", port: port) }
            #expect(error.reason == .system(errno: ECONNREFUSED))
            #expect(error.description.contains("127.0.0.1:\(port)"))
            #expect(error.description.contains("start the server"))
            // A refusal over loopback comes at once, so park for the helper's sake.
            try yield()
        }
    }

    /// Fills a listener's backlog, so that further attempts to connect hang.
    private func fillBacklog(of listener: TCPListener) throws -> [TCPConnection] {
        var connections: [TCPConnection] = []
        var failures = 0  // one may be the fault of a busy machine
        for _ in 0..<8 where failures < 3 {
            do {
                connections.append(
                    try TCPConnection.connect(to: "127.0.0.1", port: listener.port, timeout: .milliseconds(100)))
                failures = 0
            } catch {
                failures += 1
            }
        }
        return connections
    }

    @Test func connectTimesOut() async throws {
        try await onLoop {
            let listener = try TCPListener(backlog: 0)
            let waiting = try fillBacklog(of: listener)
            let watch = Stopwatch()
            let error = try failure(SocketError.self) {
                try TCPConnection.connect(to: "127.0.0.1", port: listener.port, timeout: .milliseconds(50))
            }
            #expect(error.reason == .timedOut)
            #expect(error.operation == .connect)
            #expect(watch.elapsed < .seconds(2))

            let connecting = try spawnAndPark { try TCPConnection.connect(to: "127.0.0.1", port: listener.port) }
            connecting.cancel()
            #expect(throws: CancellationError.self) { try connecting.get(timeout: .seconds(60)) }
            withExtendedLifetime(waiting) {}
        }
    }

    @Test func connectTimesOutOnAPlainThread() async throws {
        try await onFreshThread {
            let listener = try TCPListener(backlog: 0)
            let waiting = try fillBacklog(of: listener)
            let error = try failure(SocketError.self) {
                try TCPConnection.connect(to: "127.0.0.1", port: listener.port, timeout: .milliseconds(50))
            }
            #expect(error.reason == .timedOut)
            withExtendedLifetime(waiting) {}
        }
    }

    @Test func triesEachAddress() async throws {
        try await onLoop {
            let listener = try TCPListener()
            let dead = try #require(SocketAddress(numericHost: "127.0.0.2", port: listener.port))
            let alive = try #require(SocketAddress(numericHost: "127.0.0.1", port: listener.port))
            let connection = try TCPConnection.connect(to: [dead, alive], of: "example")
            #expect(connection.remoteAddress == alive)
            #expect(throws: SocketError.self) { try TCPConnection.connect(to: [dead, dead]) }
            #expect(throws: SocketError.self) { try TCPConnection.connect(to: [SocketAddress]()) }
            try yield()
        }
    }

    @Test func findsNames() async throws {
        // What another test has looked up is remembered, and a refusal may be there before it is waited for: that look-ups park
        // is shown by `ResolverTests`.
        try await onLoop(parks: false) {
            #expect(
                try Resolver.addresses(of: "localhost", port: 80).contains { ["127.0.0.1", "::1"].contains($0.host) })
            // A label is at most 63 bytes, so this asks no server.
            let name = String(repeating: "x", count: 70)
            let error = try failure(ResolverError.self) { try Resolver.addresses(of: name, port: 80) }
            #expect(error.description.contains(name))
            #expect(throws: ResolverError.self) { try TCPConnection.connect(to: name, port: 80) }
            #expect(throws: ResolverError.self) { try Resolver.addresses(of: "", port: 80) }
            #expect(throws: ResolverError.self) { try Resolver.addresses(of: "a\0b", port: 80) }
            #expect(throws: ResolverError.self) { try Resolver.addresses(of: "127.0.0.1", port: 65536) }
        }
        let addresses = try await Resolver.addresses(of: "localhost", port: 81)
        #expect(addresses.first?.port == 81)
    }

    @Test func readsAndWritesAddresses() throws {
        for (host, port, text) in [
            ("127.0.0.1", 80, "127.0.0.1:80"), ("::1", 65535, "[::1]:65535"), ("2001:DB8::a", 1, "[2001:db8::a]:1"),
            ("255.255.255.255", 0, "255.255.255.255:0"), ("fe80::1%lo", 5, "[fe80::1%1]:5"),
        ] {
            let address = try #require(SocketAddress(numericHost: host, port: port))
            #expect(address.description == text)
            #expect(address.withRaw { SocketAddress(raw: $0) } == address)
        }
        for host in ["", "localhost", "1.2.3", "1.2.3.4.5", "::g", "fe80::1%nonesuch", "%lo", "127.0.0.1%lo"] {
            #expect(SocketAddress(numericHost: host, port: 80) == nil, "\(host)")
        }
        #expect(SocketAddress(numericHost: "::1", port: -1) == nil)
    }

    @Test func overIPv6() async throws {
        guard let listener = try? TCPListener(host: "::1") else { return }  // a machine without IPv6
        try await onLoop {
            let connection = try TCPConnection.connect(to: "::1", port: listener.port)
            #expect(connection.remoteAddress.family == .ipv6)
            let accepted = try listener.accept()
            #expect(accepted.remoteAddress == connection.localAddress)
            let reader = try spawnAndPark { try accepted.readExactly(1) }
            try connection.write("6")
            try reader.get()
        }
    }
}
