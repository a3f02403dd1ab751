import CSwiftlet
import Swiftlet
import SwiftletCoroutines
import SwiftletLoop

/// A client's connections: how many there may be, whose turn it is, and which wait for another request.
///
/// A place is the right to have a connection in use. A request needs one of its host's, then one of all; for both who comes
/// when none is free queues up, first come, first served. Waiting connections fill what the places in use leave of the
/// limit. Nothing here parks except `acquire`, outside the lock.
final class ConnectionPool: Sendable {
    /// What the pool knows about one key. Guarded by the pool's lock.
    final class Endpoint: @unchecked Sendable {
        let key: ConnectionKey
        @exclusivity(unchecked) fileprivate var used = 0
        @exclusivity(unchecked) fileprivate var line = TicketLine()
        @exclusivity(unchecked) fileprivate var waiting: [ClientConnection] = []

        fileprivate init(_ key: ConnectionKey) { self.key = key }
    }

    private enum Admission {
        case admitted(kept: ClientConnection?)
        case waitsForHost(TicketLine.Ticket)
        case waitsForAll(TicketLine.Ticket)
    }

    private struct State {
        var endpoints: [ConnectionKey: Endpoint] = [:]
        var latest: Endpoint?
        var used = 0
        var line = TicketLine()
        /// Those who wait in any line.
        var queued = 0
        var waitingCount = 0
        var nextSweep = Deadline.now
        var isClosed = false
        var statistics = HTTPClientStatistics()
    }

    /// A connection that has been used within this time is tried without asking the kernel.
    private static let freshness = Duration.seconds(1)

    private let limit: Int
    private let hostLimit: Int
    private let idleTimeout: Duration
    private let state = Locked(State())
    /// Tells it from others.
    private let number = swiftlet_number_next()

    init(limit: Int, hostLimit: Int?, idleTimeout: Duration) {
        self.limit = max(1, limit)
        self.hostLimit = max(1, hostLimit ?? .max)
        self.idleTimeout = idleTimeout
    }

    // MARK: Places

    /// Waits for a place. Each success is to be followed by one `release`.
    ///
    /// - Parameter whenQueued: told how many are before, when it has to wait.
    /// - Returns: the endpoint, and a kept connection if there is one.
    func acquire(
        _ key: ConnectionKey, at now: Deadline = .now, until deadline: Deadline?, whenQueued: (Int) -> Void
    ) throws -> (endpoint: Endpoint, kept: ClientConnection?) {
        var expired: [ClientConnection] = []
        defer { for connection in expired { connection.close() } }
        var (endpoint, admission, ahead) = try state.withLock { state in
            if state.isClosed { throw HTTPRequestFault.clientIsClosed }
            expired = sweep(&state, now)
            state.statistics.requests += 1
            let endpoint = Self.endpoint(key, &state)
            let ahead = state.queued
            return (endpoint, enterHost(endpoint, &state), ahead)
        }
        if case .admitted(let kept) = admission { return (endpoint, kept) }
        whenQueued(ahead)
        defer { state.withLock { $0.queued -= 1 } }
        if case .waitsForHost(let ticket) = admission {
            try wait(ticket, until: deadline) { state in
                endpoint.line.leave(ticket) ? Self.leaveHost(endpoint, &state) : nil
            }
            admission = try state.withLock { state in
                if state.isClosed { throw HTTPRequestFault.clientIsClosed }
                return enterAll(endpoint, &state)
            }
        }
        if case .waitsForAll(let ticket) = admission {
            do {
                try wait(ticket, until: deadline) { state in
                    state.line.leave(ticket) ? Self.leaveAll(&state) : nil
                }
            } catch {
                state.withLock { Self.leaveHost(endpoint, &$0) }?.turn.resume(returning: ())
                throw error
            }
            return (endpoint, state.withLock { Self.takeWaiting(endpoint, &$0) })
        }
        guard case .admitted(let kept) = admission else { return (endpoint, nil) }
        return (endpoint, kept)
    }

    /// Waits for its turn. If that fails, `leave` finds out under the lock who is to be called instead.
    private func wait(
        _ ticket: TicketLine.Ticket, until deadline: Deadline?, leave: (inout State) -> TicketLine.Ticket?
    ) throws {
        do {
            if try ticket.turn.wait(until: deadline) == nil { throw DeadlineExceeded() }
        } catch {
            state.withLock { leave(&$0) }?.turn.resume(returning: ())
            throw error
        }
    }

    private func enterHost(_ endpoint: Endpoint, _ state: inout State) -> Admission {
        guard endpoint.used < hostLimit else {
            queue(&state)
            return .waitsForHost(endpoint.line.append())
        }
        endpoint.used += 1
        let admission = enterAll(endpoint, &state)
        if case .waitsForAll = admission { queue(&state) }
        return admission
    }

    private func queue(_ state: inout State) {
        state.queued += 1
        state.statistics.queuedRequests += 1
    }

    private func enterAll(_ endpoint: Endpoint, _ state: inout State) -> Admission {
        guard state.used < limit else { return .waitsForAll(state.line.append()) }
        state.used += 1
        return .admitted(kept: Self.takeWaiting(endpoint, &state))
    }

    /// Gives a host's place to the next in its line, or back.
    private static func leaveHost(_ endpoint: Endpoint, _ state: inout State) -> TicketLine.Ticket? {
        if let next = endpoint.line.callNext() { return next }
        endpoint.used -= 1
        return nil
    }

    private static func leaveAll(_ state: inout State) -> TicketLine.Ticket? {
        if let next = state.line.callNext() { return next }
        state.used -= 1
        return nil
    }

    /// Gives a place back.
    ///
    /// - Parameter connection: kept for another request; `nil` if it was closed or handed out.
    func release(_ endpoint: Endpoint, keeping connection: ClientConnection?) {
        connection?.freshUntil = .after(Self.freshness)
        connection?.isReused = true
        let (isKept, forHost, forAll) = state.withLock { state in
            var isKept = true
            if let connection {
                isKept = !state.isClosed
                if isKept {
                    endpoint.waiting.append(connection)
                    state.waitingCount += 1
                }
            }
            return (isKept, Self.leaveHost(endpoint, &state), Self.leaveAll(&state))
        }
        if !isKept { connection?.close() }
        forAll?.turn.resume(returning: ())
        forHost?.turn.resume(returning: ())
    }

    // MARK: Connections

    /// The waiting connection that was used last. The endpoint's place is the caller's.
    func takeWaiting(_ endpoint: Endpoint) -> ClientConnection? {
        state.withLock { Self.takeWaiting(endpoint, &$0) }
    }

    /// Gives one back that was taken and is not needed.
    func putBack(_ connection: ClientConnection, _ endpoint: Endpoint) {
        let isKept = state.withLock { state in
            guard !state.isClosed else { return false }
            endpoint.waiting.append(connection)
            state.waitingCount += 1
            return true
        }
        if !isKept { connection.close() }
    }

    private static func takeWaiting(_ endpoint: Endpoint, _ state: inout State) -> ClientConnection? {
        guard let found = endpoint.waiting.popLast() else { return nil }
        state.waitingCount -= 1
        return found
    }

    /// Makes room for one more connection, by closing the one that has waited longest if all of the limit is taken.
    func makeRoom() {
        let oldest: ClientConnection? = state.withLock { state in
            state.statistics.openedConnections += 1
            guard state.used + state.waitingCount > limit, state.waitingCount > 0 else { return nil }
            let endpoint = state.endpoints.values.filter { !$0.waiting.isEmpty }.min {
                $0.waiting[0].freshUntil < $1.waiting[0].freshUntil
            }
            state.waitingCount -= 1
            return endpoint?.waiting.removeFirst()
        }
        oldest?.close()
    }

    /// Counts a request that was sent once more.
    func countRetry() { state.withLock { $0.statistics.retries += 1 } }

    /// Closes the waiting connections, ends the queues, and refuses what comes later. Requests under way go on.
    ///
    /// - Parameter isPatient: lets others run meanwhile: to close a socket takes the kernel some 10 µs.
    /// - Returns: whether it had been open.
    @discardableResult
    func close(isPatient: Bool = false) -> Bool {
        let (wasOpen, tickets, connections) = state.withLock { state in
            let wasOpen = !state.isClosed
            state.isClosed = true
            var tickets = state.line.callAll()
            var connections: [ClientConnection] = []
            for endpoint in state.endpoints.values {
                tickets += endpoint.line.callAll()
                connections += endpoint.waiting
                endpoint.waiting = []
            }
            state.waitingCount = 0
            return (wasOpen, tickets, connections)
        }
        for ticket in tickets { ticket.turn.resume(throwing: HTTPRequestFault.clientIsClosed) }
        var isPatient = isPatient
        for (number, connection) in connections.enumerated() {
            connection.close()
            guard isPatient, number % 64 == 63 else { continue }
            do {
                try shielded { try yield() }
            } catch {
                isPatient = false  // a task that cannot park: then in one go
            }
        }
        return wasOpen
    }

    /// What it has done, and how it stands.
    /// For inspection.
    var metrics: [(String, String)] {
        let counts = statistics
        return [
            (
                "HTTP client \(number)",
                """
                \(counts.connectionsInUse) of \(limit) connections in use, \(counts.idleConnections) idle, \
                \(counts.queueLength) requests queued; \(counts.requests) requests, \(counts.openedConnections) connections opened
                """
            )
        ]
    }

    var statistics: HTTPClientStatistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.connectionsInUse = state.used
            statistics.idleConnections = state.waitingCount
            statistics.queueLength = state.queued
            return statistics
        }
    }

    private static func endpoint(_ key: ConnectionKey, _ state: inout State) -> Endpoint {
        // Most requests go where the one before went, and comparing is cheaper than hashing.
        if let latest = state.latest, latest.key == key { return latest }
        let endpoint = state.endpoints[key] ?? Endpoint(key)
        state.endpoints[key] = endpoint
        state.latest = endpoint
        return endpoint
    }

    /// Takes out connections that have waited for too long, and hosts that nobody asks any more; once a second at most.
    private func sweep(_ state: inout State, _ now: Deadline) -> [ClientConnection] {
        guard state.nextSweep <= now else { return [] }
        state.nextSweep = .after(min(.seconds(1), idleTimeout))
        var expired: [ClientConnection] = []
        for (key, endpoint) in state.endpoints {
            // They lie in the order in which their waiting began.
            let count = endpoint.waiting.prefix { Self.freshness - $0.freshUntil.remaining >= idleTimeout }.count
            expired += endpoint.waiting.prefix(count)
            endpoint.waiting.removeFirst(count)
            if endpoint.used == 0, endpoint.waiting.isEmpty, endpoint.line.count == 0 {
                state.endpoints[key] = nil
                if state.latest === endpoint { state.latest = nil }
            }
        }
        state.waitingCount -= expired.count
        return expired
    }
}

/// What a client has done since it was made, and how it stands.
public struct HTTPClientStatistics: Sendable, Hashable {
    /// Requests sent or tried, redirects counted each.
    public internal(set) var requests = 0
    /// Those that had to wait for a connection. If they are many, raise `connectionLimit`.
    public internal(set) var queuedRequests = 0
    /// Connections opened.
    public internal(set) var openedConnections = 0
    /// Requests sent once more since their kept connection was stale.
    public internal(set) var retries = 0
    /// Connections that carry a request now.
    public internal(set) var connectionsInUse = 0
    /// Connections that wait for another request.
    public internal(set) var idleConnections = 0
    /// Requests that wait for a connection now.
    public internal(set) var queueLength = 0
}
