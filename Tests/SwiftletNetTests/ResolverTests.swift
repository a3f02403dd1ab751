import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

/// A name server in memory: look-ups block its thread until they are answered.
private final class NameServer: Sendable {
    private let answers = SharedJournal<String>()
    private let gate = Event()
    /// Look-ups that have begun, in order.
    var asked: [String] { answers.entries }

    init(isOpen: Bool = true) { if isOpen { gate.set() } }

    func open() { gate.set() }

    func lookUp(_ host: String) throws -> [SocketAddress] {
        answers.note(host)
        try gate.wait()
        if host == "missing" { throw ResolverError(host: host, reason: .lookup(code: EAI_NONAME, errno: 0)) }
        if host == "flaky" { throw ResolverError(host: host, reason: .lookup(code: EAI_AGAIN, errno: 0)) }
        return [SocketAddress(numericHost: "192.0.2.1", port: 0)!]
    }
}

@Suite struct ResolverTests {
    private func resolver(
        _ server: NameServer, _ change: (inout Resolver.Configuration) -> Void = { _ in }
    ) -> Resolver {
        var configuration = Resolver.Configuration()
        configuration.timeToLive = .seconds(1000)
        configuration.negativeTimeToLive = .seconds(1000)
        change(&configuration)
        return Resolver(configuration) { try server.lookUp($0) }
    }

    @Test func remembersAnswers() async throws {
        try await onLoop {
            let server = NameServer()
            let resolver = resolver(server)
            let first = try resolver.addresses(of: "Example", port: 80)
            #expect(first.map(\.description) == ["192.0.2.1:80"])
            #expect(try resolver.addresses(of: "example", port: 443).first?.port == 443)
            #expect(server.asked == ["example"])
            for _ in 0..<2 {
                let error = try failure(ResolverError.self) { try resolver.addresses(of: "missing", port: 1) }
                #expect(error.reason == .lookup(code: EAI_NONAME, errno: 0))
            }
            // That nobody answered may be otherwise a moment later.
            for _ in 0..<2 {
                #expect(throws: ResolverError.self) { try resolver.addresses(of: "flaky", port: 1) }
            }
            #expect(server.asked == ["example", "missing", "flaky", "flaky"])
            #expect(resolver.statistics == .init(hits: 2, lookups: 4, merged: 0, remembered: 2))
            resolver.forgetAll()
            _ = try resolver.addresses(of: "example", port: 80)
            #expect(server.asked.count == 5)
            // Numbers are never asked for.
            #expect(try resolver.addresses(of: "::1", port: 5).first?.description == "[::1]:5")
            #expect(server.asked.count == 5)
        }
    }

    @Test func answersExpireAndTheOldestGo() async throws {
        try await onLoop {
            let server = NameServer()
            let brief = resolver(server) { $0.timeToLive = .nanoseconds(1) }
            for _ in 0..<2 { _ = try brief.addresses(of: "a", port: 1) }
            #expect(server.asked == ["a", "a"])

            let small = resolver(server) { $0.capacity = 2 }
            for host in ["a", "b", "c", "b", "a"] { _ = try small.addresses(of: host, port: 1) }
            #expect(server.asked.suffix(4) == ["a", "b", "c", "a"])
            for number in 0..<100 { _ = try small.addresses(of: "host\(number)", port: 1) }
            #expect(small.statistics.remembered == 2)
        }
    }

    @Test func asksOnceForThoseWhoAskTogether() async throws {
        try await onLoop {
            let server = NameServer(isOpen: false)
            let resolver = resolver(server)
            let fibers = try (0..<10).map { _ in try spawnAndPark { try resolver.addresses(of: "a", port: 1).count } }
            // Who leaves, by cancellation or by its deadline, takes nothing from the others, though it asked first.
            fibers[0].cancel()
            #expect(throws: CancellationError.self) { try fibers[0].get(timeout: .seconds(50)) }
            #expect(throws: DeadlineExceeded.self) {
                try resolver.addresses(of: "a", port: 1, until: .after(.milliseconds(5)))
            }
            let late = try failure(SocketError.self) {
                try TCPConnection.connect(to: "a", port: 1, timeout: .milliseconds(5), resolver: resolver)
            }
            #expect(late.reason == .timedOut && late.description.contains("a:1"))
            #expect(fibers.dropFirst().allSatisfy { !$0.isFinished })
            server.open()
            for fiber in fibers.dropFirst() { #expect(try fiber.get(timeout: .seconds(50)) == 1) }
            #expect(server.asked == ["a"])
            #expect(resolver.statistics.merged == 11)
        }
    }

    @Test func looksUpSoManyAtATime() async throws {
        try await onLoop {
            let server = NameServer(isOpen: false)
            let resolver = resolver(server) { $0.concurrentLookups = 2 }
            let fibers = try (0..<5).map { number in
                try spawnAndPark { try resolver.addresses(of: "host\(number)", port: 1).count }
            }
            while server.asked.count < 2 { try yield() }
            // Other work of the pool gets a thread meanwhile.
            #expect(try toThread { 1 } == 1)
            #expect(server.asked.count == 2)
            server.open()
            for fiber in fibers { try fiber.get(timeout: .seconds(50)) }
            #expect(Set(server.asked) == Set((0..<5).map { "host\($0)" }))
        }
    }

    @Test func answersTasksAndPlainThreads() async throws {
        let server = NameServer()
        let resolver = resolver(server)
        #expect(try await resolver.addresses(of: "a", port: 7).first?.port == 7)
        try await onFreshThread { () throws -> Void in
            #expect(try resolver.addresses(of: "b", port: 8).first?.port == 8)
            #expect(EventLoop.currentIfAny == nil)
        }
    }
}

@Suite struct ConnectRaceTests {
    private func address(_ text: String, _ port: Int = 1) throws -> SocketAddress {
        try #require(SocketAddress(numericHost: text, port: port))
    }

    /// asyncio's getnameinfo.
    @Test func addressesHaveNames() async throws {
        try await onLoop {
            let address = try #require(SocketAddress(numericHost: "127.0.0.1", port: 80))
            let numbers = try Resolver.names(of: address, isNumeric: true)
            #expect(numbers.host == "127.0.0.1" && numbers.service == "80")
            // The thread that asks may be done before the wait begins.
            let loop = try EventLoop.current
            let before = loop.statistics.parks
            repeat {
                let names = try Resolver.names(of: address, until: .after(.seconds(60)))
                #expect(names.host == "localhost" && !names.service.isEmpty)
            } while loop.statistics.parks == before
            let six = try #require(SocketAddress(numericHost: "::1", port: 9))
            #expect(try Resolver.names(of: six, isNumeric: true).host == "::1")
        }
        try await onTaskLoop { (loop) async throws -> Void in
            let address = try #require(SocketAddress(numericHost: "127.0.0.1", port: 80))
            let before = loop.statistics.parks
            repeat {
                let host = try await Resolver.names(of: address).host
                #expect(host == "localhost")
            } while loop.statistics.parks == before
        }
    }

    @Test func ordersFamiliesInTurn() throws {
        let order = try ConnectRace.order(["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"].map { try address($0) })
        #expect(order.map(\.host) == ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"])
        #expect(try ConnectRace.order([address("1.1.1.1"), address("::1")]).map(\.host) == ["1.1.1.1", "::1"])
        #expect(ConnectRace.order([]).isEmpty)
    }

    @Test func theFirstOneWinsAndTheOthersAreCancelled() async throws {
        try await onLoop {
            let addresses = try ["::1", "1.1.1.1", "::2", "2.2.2.2"].map { try address($0) }
            let journal = SharedJournal<String>()
            let winner = try ConnectRace.run(addresses, staggeredBy: .milliseconds(5)) { address in
                journal.note("begin \(address.host)")
                defer { journal.note("end \(address.host)") }
                // The first two hang; the third is refused at once, so the fourth begins without a pause.
                if address.host == "::2" { throw Failure() }
                if address.host != "2.2.2.2" { try sleep(.seconds(1000)) }
                return try UnixConnection.pair().0
            }
            #expect(!winner.isClosed)
            let begun = journal.entries.filter { $0.hasPrefix("begin") }
            #expect(begun == ["begin ::1", "begin 1.1.1.1", "begin ::2", "begin 2.2.2.2"])
            #expect(journal.entries.suffix(2).sorted() == ["end 1.1.1.1", "end ::1"])
        }
    }

    @Test func aSecondWinnerIsClosed() async throws {
        try await onLoop {
            let addresses = try ["::1", "1.1.1.1"].map { try address($0) }
            let made = SharedJournal<UnixConnection>()
            let bothMayEnd = Event()
            let winner = try ConnectRace.run(addresses, staggeredBy: .milliseconds(1)) { address in
                if address.host == "1.1.1.1" { bothMayEnd.set() } else { try bothMayEnd.wait() }
                let connection = try UnixConnection.pair().0
                made.note(connection)
                return connection
            }
            #expect(made.entries.count == 2)
            #expect(made.entries.count { $0.isClosed } == 1 && !winner.isClosed)
        }
    }

    @Test func theLastErrorIsToldWhenAllFail() async throws {
        try await onLoop {
            let addresses = try ["::1", "1.1.1.1", "::2"].map { try address($0) }
            let error = try failure(Failure.self) {
                try ConnectRace.run(addresses, staggeredBy: .seconds(1000)) { address -> UnixConnection in
                    throw Failure(address.host == "::2" ? 3 : 0)
                }
            }
            #expect(error == Failure(3))
        }
    }

    @Test func cancellingEndsAllAttempts() async throws {
        try await onLoop {
            let addresses = try ["::1", "1.1.1.1"].map { try address($0) }
            let ended = Tally()
            let race = try spawnAndPark {
                try ConnectRace.run(addresses, staggeredBy: .milliseconds(1)) { _ -> UnixConnection in
                    defer { ended.add() }
                    try sleep(.seconds(1000))
                    throw Failure()
                }
            }
            while try EventLoop.current.liveFibers().count < 4 { try sleep(.milliseconds(1)) }
            race.cancel()
            #expect(throws: CancellationError.self) { try race.get(timeout: .seconds(50)) }
            #expect(ended.count == 2)
        }
    }

    @Test func racesOnAPlainThreadToo() async throws {
        try await onFreshThread {
            let listener = try TCPListener()
            let dead = try address("127.0.0.2", listener.port)
            let connection = try TCPConnection.connect(to: [dead, listener.localAddress])
            #expect(connection.remoteAddress == listener.localAddress)
            #expect(EventLoop.currentIfAny == nil)
            try connection.write("x")
            #expect(try listener.accept().readExactly(1) == [120])
        }
    }
}
