import Swiftlet
import SwiftletCoroutines
import SwiftletLoop

/// A client's connections: how many there may be, whose turn it is, and which wait for another request.
///
/// A slot is the right to have a connection in use; whoever comes when none is free queues up, first come first served.
/// Waiting connections fill what the slots in use leave of the limit. Nothing here parks except `takeSlot`, outside the
/// lock.
final class ConnectionPool: Sendable {
    struct Server: Hashable {
        var scheme: HTTPURL.Scheme
        var host: String
        var port: Int
    }

    private final class Ticket: Sendable {
        let turn = Waiter<Void>()
    }

    private struct State {
        var used = 0
        var queue: [Ticket] = []
        var served = 0  // tickets at the front of the queue that have had their turn
        var waiting: [Server: [ClientConnection]] = [:]
        var waitingCount = 0
        var nextSweep = Deadline.now
        var isClosed = false
    }

    private let limit: Int
    private let idleTimeout: Duration
    private let state = Locked(State())

    init(limit: Int, idleTimeout: Duration) {
        self.limit = max(1, limit)
        self.idleTimeout = idleTimeout
    }

    /// Waits for a slot. Each success is to be followed by one `releaseSlot`.
    func takeSlot(until deadline: Deadline?) throws {
        let ticket: Ticket? = try state.withLock { state in
            if state.isClosed { throw HTTPRequestFault.clientIsClosed }
            if state.used < limit {
                state.used += 1
                return nil
            }
            let ticket = Ticket()
            state.queue.append(ticket)
            return ticket
        }
        guard let ticket else { return }
        do {
            if try ticket.turn.wait(until: deadline) == nil { throw DeadlineExceeded() }
        } catch {
            giveUp(ticket)
            throw error
        }
    }

    /// A ticket whose holder has left: off the queue, or, if its turn came at the same moment, the slot goes on.
    private func giveUp(_ ticket: Ticket) {
        let hadTurn = state.withLock { state in
            guard let index = state.queue[state.served...].firstIndex(where: { $0 === ticket }) else {
                return !state.isClosed
            }
            state.queue.remove(at: index)
            return false
        }
        if hadTurn { releaseSlot() }
    }

    /// Gives the slot to the next in the queue, or back.
    func releaseSlot() {
        let next: Ticket? = state.withLock { state in
            guard state.served < state.queue.count else {
                state.used -= 1
                return nil
            }
            let next = state.queue[state.served]
            state.served += 1
            if state.served == state.queue.count || state.served > 1024 {
                state.queue.removeFirst(state.served)
                state.served = 0
            }
            return next
        }
        next?.turn.resume(returning: ())
    }

    /// The waiting connection to a server that was used last, if there is any.
    func takeWaiting(_ server: Server) -> ClientConnection? {
        let (found, expired) = state.withLock { state in
            let expired = sweep(&state)
            // An empty list stays for the next connection: taking it out and in again would allocate each time.
            guard let found = state.waiting[server]?.popLast() else { return (nil as ClientConnection?, expired) }
            state.waitingCount -= 1
            return (found, expired)
        }
        for connection in expired { connection.close() }
        return found
    }

    /// Makes room for one more connection, by closing the one that has waited longest if all of the limit is taken.
    func makeRoom() {
        let oldest: ClientConnection? = state.withLock { state in
            guard state.used + state.waitingCount > limit, state.waitingCount > 0 else { return nil }
            let server = state.waiting.filter { !$0.value.isEmpty }.min {
                $0.value[0].idleSince < $1.value[0].idleSince
            }
            guard let key = server?.key else { return nil }
            state.waitingCount -= 1
            return state.waiting[key]?.removeFirst()
        }
        oldest?.close()
    }

    /// Keeps a connection for another request.
    func keep(_ connection: ClientConnection, to server: Server) {
        connection.idleSince = .now
        connection.isReused = true
        let isKept = state.withLock { state in
            guard !state.isClosed else { return false }
            state.waiting[server, default: []].append(connection)
            state.waitingCount += 1
            return true
        }
        if !isKept { connection.close() }
    }

    /// Closes the waiting connections, ends the queue, and refuses what comes later. Requests under way go on.
    ///
    /// - Parameter isPatient: lets others run meanwhile: to close a socket takes the kernel some 10 µs.
    func close(isPatient: Bool = false) {
        let (tickets, connections) = state.withLock { state in
            let ended = (state.queue[state.served...], state.waiting.values.flatMap { $0 })
            state.isClosed = true
            state.queue = []
            state.served = 0
            state.waiting = [:]
            state.waitingCount = 0
            return ended
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
    }

    /// Connections in use, and those that wait.
    var counts: (used: Int, waiting: Int, queued: Int) {
        state.withLock { ($0.used, $0.waitingCount, $0.queue.count - $0.served) }
    }

    /// Takes out those that have waited for too long, once a second at most.
    private func sweep(_ state: inout State) -> [ClientConnection] {
        guard state.waitingCount > 0, case let now = Deadline.now, state.nextSweep <= now else { return [] }
        state.nextSweep = .after(min(.seconds(1), idleTimeout))
        var expired: [ClientConnection] = []
        for (server, connections) in state.waiting {
            let kept = connections.filter { Duration.zero - $0.idleSince.remaining < idleTimeout }
            guard kept.count < connections.count else { continue }
            expired += connections.filter { old in !kept.contains { $0 === old } }
            state.waiting[server] = kept.isEmpty ? nil : kept
        }
        state.waitingCount -= expired.count
        return expired
    }
}
