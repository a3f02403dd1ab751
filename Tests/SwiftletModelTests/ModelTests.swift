import Swiftlet
import TestSupport
import Testing

/// Twenty thousand random interleavings of each primitive's operations, with cancellations and timeouts, against a model.
@Suite struct ModelTests {
    @Test func locks() async throws { try await explore(LockSubject.self) }
    @Test func semaphores() async throws { try await explore(SemaphoreSubject.self) }
    @Test func boundedSemaphores() async throws { try await explore(BoundedSemaphoreSubject.self) }
    @Test func limiters() async throws { try await explore(LimiterSubject.self) }
    @Test func events() async throws { try await explore(EventSubject.self) }
    @Test func conditions() async throws { try await explore(ConditionSubject.self) }
    @Test func barriers() async throws { try await explore(BarrierSubject.self) }
    @Test func queues() async throws { try await explore(QueueSubject.self) }
    @Test func joinedQueues() async throws { try await explore(JoinSubject.self) }
    @Test func channels() async throws { try await explore(ChannelSubject.self) }
}

private struct LockSubject: Subject {
    var model = WaitModel()
    private let lock: OwnedLock
    /// -1: free; -2: held by the driver.
    private var owner = -1
    private let gates = Box<[Int: Waiter<Void>]>([:])

    init(_ dice: inout Dice) { lock = dice.roll(2) == 0 ? Lock() : RLock() }

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        let gate = Waiter<Void>()
        gates.value[id] = gate
        let depth = lock is RLock ? 1 + dice.roll(3) : 1
        if owner == -1 { owner = id } else { model.waiting.append(.init(id: id, isTimed: isTimed)) }
        return { [lock, gates] in
            try lock.acquire(timeout: isTimed ? .zero : nil)
            for _ in 1..<depth { try lock.acquire() }
            // Held until told; the outcome is known only then, and the model notes it then.
            _ = try shielded { try gate.wait() }
            for _ in 0..<depth { try lock.release() }
            gates.value[id] = nil
            return "held"
        }
    }

    private mutating func passOn() { owner = model.popFirst()?.id ?? -1 }

    mutating func poke(_ dice: inout Dice) throws {
        switch owner {
        case -1:
            #expect(lock.tryAcquire())
            owner = -2
        case -2:
            try lock.release()
            passOn()
        default:
            #expect(!lock.tryAcquire())
            #expect(throws: LockError.notHeld) { try lock.release() }
            let id = owner
            model.outcomes[id] = "held"
            passOn()
            gates.value[id]!.resume(returning: ())
            // It may have been granted the lock only just now, and then looks at its gate when it runs.
            while gates.value[id] != nil { try yield() }
        }
    }

    mutating func finish() {
        if owner == -2 { try? lock.release() }
        if owner >= 0 { model.outcomes[owner] = "held" }
        owner = -1
        for gate in gates.value.values { gate.resume(returning: ()) }
    }

    var state: (expected: String, actual: String) {
        let statistics = lock.statistics
        return (
            "\(owner == -1 ? 0 : 1) held, \(model.waiting.count) waiting",
            "\(statistics.holders) held, \(statistics.waiting) waiting"
        )
    }
}

private struct SemaphoreSubject: Subject {
    var model = WaitModel()
    private let semaphore: Semaphore
    private var available: Int

    init(_ dice: inout Dice) {
        available = dice.roll(3)
        semaphore = Semaphore(available)
    }

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        if available > 0 {
            available -= 1
            model.outcomes[id] = "had"
        } else {
            model.waiting.append(.init(id: id, isTimed: isTimed))
        }
        return { [semaphore] in
            try semaphore.acquire(timeout: isTimed ? .zero : nil)
            return "had"
        }
    }

    mutating func poke(_ dice: inout Dice) throws {
        if dice.roll(4) == 0 {
            #expect(semaphore.tryAcquire() == (available > 0))
            available = max(available - 1, 0)
            return
        }
        let count = 1 + dice.roll(2)
        for _ in 0..<count {
            if let first = model.popFirst() { model.outcomes[first.id] = "had" } else { available += 1 }
        }
        semaphore.release(count)
    }

    var state: (expected: String, actual: String) {
        ("\(available), \(model.waiting.count)", "\(semaphore.availablePermits), \(semaphore.statistics.waiting)")
    }
}

private struct BoundedSemaphoreSubject: Subject {
    var model = WaitModel()
    private let semaphore: BoundedSemaphore
    private let limit: Int
    private var available: Int

    init(_ dice: inout Dice) {
        limit = 1 + dice.roll(3)
        available = limit
        semaphore = BoundedSemaphore(limit)
    }

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        if available > 0 {
            available -= 1
            model.outcomes[id] = "had"
        } else {
            model.waiting.append(.init(id: id, isTimed: isTimed))
        }
        return { [semaphore] in
            try semaphore.acquire(timeout: isTimed ? .zero : nil)
            return "had"
        }
    }

    mutating func poke(_ dice: inout Dice) throws {
        if dice.roll(4) == 0 {
            #expect(semaphore.tryAcquire() == (available > 0))
            available = max(available - 1, 0)
        } else if available == limit {
            #expect(throws: SemaphoreError.releasedTooOften(limit: limit)) { try semaphore.release() }
        } else {
            if let first = model.popFirst() { model.outcomes[first.id] = "had" } else { available += 1 }
            try semaphore.release()
        }
    }

    var state: (expected: String, actual: String) {
        ("\(available), \(model.waiting.count)", "\(semaphore.availablePermits), \(semaphore.statistics.waiting)")
    }
}

private struct LimiterSubject: Subject {
    private final class Borrower: Sendable {}

    var model = WaitModel()
    private let limiter: CapacityLimiter
    private var total: Int
    private var holders: [Int] = []
    private var borrowers: [Int: Borrower] = [:]

    init(_ dice: inout Dice) {
        total = dice.roll(3)
        limiter = CapacityLimiter(totalTokens: total)
    }

    private mutating func have(_ id: Int) {
        holders.append(id)
        model.outcomes[id] = "had"
    }

    private mutating func serve() {
        while holders.count < total, let first = model.popFirst() { have(first.id) }
    }

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        let borrower = Borrower()
        borrowers[id] = borrower
        if holders.count < total { have(id) } else { model.waiting.append(.init(id: id, isTimed: isTimed)) }
        return { [limiter] in
            try limiter.acquire(onBehalfOf: borrower, timeout: isTimed ? .zero : nil)
            return "had"
        }
    }

    mutating func poke(_ dice: inout Dice) throws {
        if dice.roll(3) > 0, let place = holders.indices.randomElement(using: &dice) {
            let borrower = borrowers[holders.remove(at: place)]!
            try limiter.release(onBehalfOf: borrower)
            #expect(throws: CapacityLimiterError.notBorrowing) { try limiter.release(onBehalfOf: borrower) }
        } else {
            total = dice.roll(4)
            limiter.totalTokens = total
        }
        serve()
    }

    var state: (expected: String, actual: String) {
        (
            "\(holders.count) of \(total), \(model.waiting.count)",
            "\(limiter.borrowedTokens) of \(limiter.totalTokens), \(limiter.statistics.waiting)"
        )
    }
}

private struct EventSubject: Subject {
    var model = WaitModel()
    private let event = Event()
    private var isSet = false

    init(_ dice: inout Dice) {}

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        if isSet { model.outcomes[id] = "true" } else { model.waiting.append(.init(id: id, isTimed: isTimed)) }
        return { [event] in try event.wait(timeout: isTimed ? .zero : nil) ? "true" : "timed out" }
    }

    mutating func poke(_ dice: inout Dice) throws {
        if dice.roll(2) == 0 {
            event.clear()
            isSet = false
        } else {
            event.set()
            isSet = true
            while let first = model.popFirst() { model.outcomes[first.id] = "true" }
        }
    }

    var state: (expected: String, actual: String) {
        ("\(isSet), \(model.waiting.count)", "\(event.isSet), \(event.statistics.waiting)")
    }
}

private struct ConditionSubject: Subject {
    var model = WaitModel()
    private let condition = Condition()

    init(_ dice: inout Dice) {}

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        model.waiting.append(.init(id: id, isTimed: isTimed))
        return { [condition] in
            try condition.withLock {
                defer { #expect(throws: LockError.alreadyHeld) { try condition.lock.acquire() } }
                return try condition.wait(timeout: isTimed ? .zero : nil) ? "true" : "timed out"
            }
        }
    }

    mutating func poke(_ dice: inout Dice) throws {
        let count = dice.roll(4)
        #expect(throws: LockError.notHeld) { try condition.notify() }
        try condition.withLock { try count == 3 ? condition.notifyAll() : condition.notify(count) }
        for _ in 0..<(count == 3 ? model.waiting.count : count) {
            if let first = model.popFirst() { model.outcomes[first.id] = "true" }
        }
    }

    var state: (expected: String, actual: String) {
        ("0, \(model.waiting.count)", "\(condition.statistics.holders), \(condition.statistics.waiting)")
    }
}

private struct BarrierSubject: Subject {
    var model = WaitModel()
    private let barrier: Barrier
    private var isBroken = false

    init(_ dice: inout Dice) { barrier = Barrier(parties: 1 + dice.roll(3)) }

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        if isBroken {
            model.outcomes[id] = "BrokenBarrierError"
        } else if model.waiting.count + 1 == barrier.parties {
            model.outcomes[id] = "0"
            while let first = model.popFirst() { model.outcomes[first.id] = "\(first.item)" }
        } else {
            model.waiting.append(.init(id: id, isTimed: isTimed, item: barrier.parties - model.waiting.count - 1))
        }
        return { [barrier] in "\(try barrier.wait(timeout: isTimed ? .zero : nil))" }
    }

    mutating func poke(_ dice: inout Dice) throws {
        guard dice.roll(3) == 0 else { return }
        isBroken = dice.roll(2) == 0
        if isBroken { barrier.abort() } else { barrier.reset() }
        while let first = model.popFirst() { model.outcomes[first.id] = "BrokenBarrierError" }
    }

    var state: (expected: String, actual: String) {
        ("\(isBroken), \(model.waiting.count)", "\(barrier.isBroken), \(barrier.statistics.waiting)")
    }
}

/// What queues and channels have in common: givers are side 0, takers side 1.
private struct ExchangeModel {
    enum Order { case firstIn, lastIn, smallest }

    let order: Order
    let capacity: Int
    var items: [Int] = []
    var isClosed = false

    mutating func pop() -> Int {
        switch order {
        case .firstIn: items.removeFirst()
        case .lastIn: items.removeLast()
        case .smallest: items.remove(at: items.indices.min { (items[$0], $0) < (items[$1], $1) }!)
        }
    }

    /// Whether it was done, in some way, at once.
    mutating func give(_ item: Int, _ waits: inout WaitModel) -> String? {
        if isClosed { return "closed" }
        if let taker = waits.popFirst(side: 1) {
            waits.outcomes[taker.id] = "got \(item)"
        } else if items.count < capacity {
            items.append(item)
        } else {
            return nil
        }
        return "given"
    }

    mutating func take(_ waits: inout WaitModel) -> String? {
        if !items.isEmpty {
            let item = pop()
            if let giver = waits.popFirst(side: 0) {
                items.append(giver.item)
                waits.outcomes[giver.id] = "given"
            }
            return "got \(item)"
        }
        if let giver = waits.popFirst(side: 0) {
            waits.outcomes[giver.id] = "given"
            return "got \(giver.item)"
        }
        return isClosed ? "closed" : nil
    }

    mutating func close(_ waits: inout WaitModel) {
        isClosed = true
        for side in [0, 1] { while let one = waits.popFirst(side: side) { waits.outcomes[one.id] = "closed" } }
    }
}

private struct QueueSubject: Subject {
    var model = WaitModel()
    private var items: ExchangeModel
    private let queue: Queue<Int>

    init(_ dice: inout Dice) {
        let capacity = dice.roll(3) == 0 ? nil : 1 + dice.roll(2)
        switch dice.roll(3) {
        case 0:
            queue = Queue(capacity: capacity)
            items = ExchangeModel(order: .firstIn, capacity: capacity ?? .max)
        case 1:
            queue = LifoQueue(capacity: capacity)
            items = ExchangeModel(order: .lastIn, capacity: capacity ?? .max)
        default:
            queue = PriorityQueue(capacity: capacity)
            items = ExchangeModel(order: .smallest, capacity: capacity ?? .max)
        }
    }

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        let isPutting = dice.roll(2) == 0
        let item = dice.roll(10)
        if let done = isPutting ? items.give(item, &model) : items.take(&model) {
            model.outcomes[id] = done
        } else {
            model.waiting.append(.init(id: id, isTimed: isTimed, item: item, side: isPutting ? 0 : 1))
        }
        return { [queue] in
            do {
                if !isPutting { return "got \(try queue.get(timeout: isTimed ? .zero : nil))" }
                try queue.put(item, timeout: isTimed ? .zero : nil)
                return "given"
            } catch is QueueShutDown {
                return "closed"
            } catch is QueueEmpty {
                return "timed out"
            } catch is QueueFull {
                return "timed out"
            }
        }
    }

    mutating func poke(_ dice: inout Dice) throws {
        switch dice.roll(9) {
        case 0:
            queue.shutdown()
            items.close(&model)
        case 1...4:
            let item = dice.roll(10)
            let expected = items.give(item, &model) ?? "full"
            var actual = "given"
            do {
                try queue.putNoWait(item)
            } catch {
                actual = error is QueueFull ? "full" : "closed"
            }
            #expect(actual == expected)
        default:
            let expected = items.take(&model) ?? "empty"
            var actual = ""
            do {
                actual = "got \(try queue.getNoWait())"
            } catch {
                actual = error is QueueEmpty ? "empty" : "closed"
            }
            #expect(actual == expected)
        }
    }

    var state: (expected: String, actual: String) {
        let statistics = queue.statistics
        return (
            "\(items.items.count), \(model.waiting.count), \(items.isClosed)",
            "\(statistics.count), \(statistics.waitingToPut + statistics.waitingToGet), \(statistics.isClosed)"
        )
    }
}

/// Waiting until all items are dealt with.
private struct JoinSubject: Subject {
    var model = WaitModel()
    private let queue = JoinableQueue<Int>()
    private var (items, unfinished, isShutDown) = (0, 0, false)

    init(_ dice: inout Dice) {}

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        if unfinished == 0 {
            model.outcomes[id] = "true"
        } else {
            model.waiting.append(.init(id: id, isTimed: isTimed))
        }
        return { [queue] in try queue.join(timeout: isTimed ? .zero : nil) ? "true" : "timed out" }
    }

    private mutating func finish(_ count: Int) {
        unfinished -= count
        guard unfinished == 0 else { return }
        while let first = model.popFirst() { model.outcomes[first.id] = "true" }
    }

    mutating func poke(_ dice: inout Dice) throws {
        switch dice.roll(8) {
        case 0...2:
            if isShutDown {
                #expect(throws: QueueShutDown.self) { try queue.putNoWait(1) }
            } else {
                try queue.putNoWait(1)
                (items, unfinished) = (items + 1, unfinished + 1)
            }
        case 3...6:
            if items > 0, dice.roll(2) == 0 {
                _ = try queue.getNoWait()
                items -= 1
            } else if unfinished == 0 {
                #expect(throws: QueueError.taskDoneTooOften) { try queue.taskDone() }
            } else if unfinished > items {
                try queue.taskDone()
                finish(1)
            }
        default:
            guard dice.roll(4) == 0 else { return }
            queue.shutdown(immediate: true)
            isShutDown = true
            let dropped = items
            items = 0
            if dropped > 0 { finish(dropped) }
        }
    }

    var state: (expected: String, actual: String) {
        let statistics = queue.statistics
        return (
            "\(items), \(unfinished), \(isShutDown)",
            "\(statistics.count), \(statistics.unfinished), \(statistics.isClosed)"
        )
    }
}

private struct ChannelSubject: Subject {
    var model = WaitModel()
    private var items: ExchangeModel
    private let channel: Channel<Int>
    private var lastItem = 0

    init(_ dice: inout Dice) {
        let capacity = dice.roll(3)
        channel = Channel(capacity: capacity)
        items = ExchangeModel(order: .firstIn, capacity: capacity)
    }

    mutating func begin(_ id: Int, isTimed: Bool, _ dice: inout Dice) -> () throws -> String {
        let isSending = dice.roll(2) == 0
        // Half of them as a select of one case, which must be the same.
        let isSelecting = dice.roll(2) == 0
        lastItem += 1
        let item = lastItem
        if let done = isSending ? items.give(item, &model) : items.take(&model) {
            model.outcomes[id] = done
        } else {
            model.waiting.append(.init(id: id, isTimed: isTimed, item: item, side: isSending ? 0 : 1))
        }
        return { [channel] in
            func received(_ item: Int?) -> String { item.map { "got \($0)" } ?? "closed" }
            do {
                if isSelecting {
                    var cases: [SelectCase<String>] = []
                    if isSending { cases.append(.send(item, to: channel) { "given" }) }
                    if !isSending { cases.append(.receive(from: channel) { received($0) }) }
                    if isTimed { cases.append(.after(.zero) { "timed out" }) }
                    return try select(cases)
                }
                if !isSending { return received(try channel.receive(timeout: isTimed ? .zero : nil)) }
                try channel.send(item, timeout: isTimed ? .zero : nil)
                return "given"
            } catch ChannelError.closed {
                return "closed"
            }
        }
    }

    mutating func poke(_ dice: inout Dice) throws {
        switch dice.roll(9) {
        case 0:
            #expect(channel.close() == !items.isClosed)
            items.close(&model)
        case 1...4:
            lastItem += 1
            let item = lastItem
            let expected = items.give(item, &model) ?? "full"
            var actual = "given"
            do {
                try channel.sendNoWait(item)
            } catch {
                actual = error as? ChannelError == .wouldWait ? "full" : "closed"
            }
            #expect(actual == expected)
        default:
            let expected = items.take(&model) ?? "empty"
            var actual = ""
            do {
                actual = try channel.receiveNoWait().map { "got \($0)" } ?? "closed"
            } catch {
                actual = "empty"
            }
            #expect(actual == expected)
        }
    }

    var state: (expected: String, actual: String) {
        let statistics = channel.statistics
        return (
            "\(items.items.count), \(model.waiting.count), \(items.isClosed)",
            "\(statistics.count), \(statistics.waitingToPut + statistics.waitingToGet), \(statistics.isClosed)"
        )
    }
}
