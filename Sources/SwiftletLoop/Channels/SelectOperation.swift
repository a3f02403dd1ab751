/// One of the things that a select may wait for: what can be tried, queued for and left, under one lock.
@safe
class SelectOperation {
    /// Orders the locks of a select's operations, so that two selects take them in the same order.
    var identity: UInt { fatalError("SelectOperation.identity is abstract") }
    /// Where an item lies or goes to, if one is handed over.
    var slot: UnsafeMutableRawPointer? { nil }

    func lock() { fatalError("SelectOperation.lock is abstract") }
    func unlock() { fatalError("SelectOperation.unlock is abstract") }

    // Under the lock.

    /// Does it at once, if that is possible.
    func attempt(_ elsewhere: inout WaitToken?) -> Bool { fatalError("SelectOperation.attempt is abstract") }
    func enqueue(_ node: WaitNodePointer) { fatalError("SelectOperation.enqueue is abstract") }
    func leave(_ node: WaitNodePointer) { fatalError("SelectOperation.leave is abstract") }
}

/// Giving to, or taking from, a queue or channel.
@safe
final class ExchangeOperation<Element>: SelectOperation {
    private let exchange: Exchange<Element>
    private let isGiving: Bool
    private let item: UnsafeMutablePointer<Element?>

    init(_ exchange: Exchange<Element>, giving item: Element?) {
        self.exchange = exchange
        isGiving = item != nil
        unsafe self.item = .allocate(capacity: 1)
        unsafe self.item.initialize(to: item)
    }

    deinit {
        unsafe item.deinitialize(count: 1)
        unsafe item.deallocate()
    }

    /// What was taken; of a giver, what was not given.
    var remaining: Element? { unsafe item.pointee }

    override var identity: UInt { exchange.shared.address }
    override var slot: UnsafeMutableRawPointer? { unsafe UnsafeMutableRawPointer(item) }
    override func lock() { exchange.shared.lock() }
    override func unlock() { exchange.shared.unlock() }

    override func attempt(_ elsewhere: inout WaitToken?) -> Bool {
        unsafe isGiving
            ? exchange.shared.state.give(&item.pointee, &elsewhere) != .mustWait
            : exchange.shared.state.take(&item.pointee, &elsewhere) != .mustWait
    }

    override func enqueue(_ node: WaitNodePointer) {
        unsafe isGiving ? exchange.shared.state.givers.append(node) : exchange.shared.state.takers.append(node)
    }

    override func leave(_ node: WaitNodePointer) {
        unsafe isGiving ? exchange.shared.state.givers.remove(node) : exchange.shared.state.takers.remove(node)
    }
}

/// Waiting for an event.
final class EventOperation: SelectOperation {
    private let event: Event
    private let forget: () -> Void

    /// - Parameter forget: called when the select is over: takes back what would set the event.
    init(_ event: Event, forget: @escaping () -> Void = {}) {
        self.event = event
        self.forget = forget
    }

    deinit { forget() }

    override var identity: UInt { event.shared.address }
    override func lock() { event.shared.lock() }
    override func unlock() { event.shared.unlock() }
    override func attempt(_ elsewhere: inout WaitToken?) -> Bool { event.shared.state.pass() }
    override func enqueue(_ node: WaitNodePointer) { unsafe event.shared.state.queue.append(node) }
    override func leave(_ node: WaitNodePointer) { unsafe event.shared.state.queue.remove(node) }
}

/// Waiting for the result of a waiter.
final class WaiterOperation<Value>: SelectOperation {
    private let waiter: Waiter<Value>

    init(_ waiter: Waiter<Value>) { self.waiter = waiter }

    override var identity: UInt { waiter.shared.address }
    override func lock() { waiter.shared.lock() }
    override func unlock() { waiter.shared.unlock() }
    override func attempt(_ elsewhere: inout WaitToken?) -> Bool { waiter.shared.state.result != nil }
    override func enqueue(_ node: WaitNodePointer) { unsafe waiter.shared.state.queue.append(node) }
    override func leave(_ node: WaitNodePointer) { unsafe waiter.shared.state.queue.remove(node) }
}
