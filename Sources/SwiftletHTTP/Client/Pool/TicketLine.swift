import Swiftlet

/// Those who wait for one of so many places, first come, first served. Guarded by the pool's lock.
struct TicketLine {
    /// A place in the line. waiting -> called | left
    final class Ticket: @unchecked Sendable {
        enum State { case waiting, called, left }

        let turn = Waiter<Void>()
        // Guarded by the pool's lock.
        fileprivate(set) var state = State.waiting
    }

    private var tickets: [Ticket] = []
    private var first = 0
    /// How many wait.
    private(set) var count = 0

    mutating func append() -> Ticket {
        let ticket = Ticket()
        tickets.append(ticket)
        count += 1
        return ticket
    }

    /// Takes out whose turn it is, who is to be told after the lock.
    mutating func callNext() -> Ticket? {
        while first < tickets.count {
            let ticket = tickets[first]
            first += 1
            guard ticket.state == .waiting else { continue }
            ticket.state = .called
            count -= 1
            compact()
            return ticket
        }
        compact()
        return nil
    }

    /// A holder goes. Answers whether the turn had come already, and is to be passed on.
    mutating func leave(_ ticket: Ticket) -> Bool {
        guard ticket.state == .waiting else { return ticket.state == .called }
        ticket.state = .left
        count -= 1
        compact()
        return false
    }

    /// Takes out all, who are to be told after the lock.
    mutating func callAll() -> [Ticket] {
        let waiting = tickets[first...].filter { $0.state == .waiting }
        for ticket in waiting { ticket.state = .left }
        self = TicketLine()
        return waiting
    }

    /// Drops who has been called or has left, once they are more than those who wait.
    private mutating func compact() {
        guard tickets.count > 32, tickets.count > 2 * count else {
            if count == 0 {
                tickets.removeAll(keepingCapacity: true)
                first = 0
            }
            return
        }
        tickets = tickets[first...].filter { $0.state == .waiting }
        first = 0
    }
}
