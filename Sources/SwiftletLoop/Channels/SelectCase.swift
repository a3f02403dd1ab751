/// One of the things that `select` waits for, and what to do when it is the one. For one select only.
public struct SelectCase<Result> {
    enum Kind {
        case operation(SelectOperation)
        case deadline(Deadline)
        case otherwise
    }

    let kind: Kind
    let complete: () throws -> Result

    /// Receives from a channel; the body gets `nil` when that is closed and empty.
    public static func receive<Element>(
        from channel: Channel<Element>, _ body: @escaping (Element?) throws -> Result
    ) -> SelectCase {
        let operation = ExchangeOperation(channel.exchange, giving: nil)
        return SelectCase(kind: .operation(operation)) { try body(operation.remaining) }
    }

    /// Sends to a channel. If that is closed, `select` throws `ChannelError.closed`.
    public static func send<Element>(
        _ item: sending Element, to channel: Channel<Element>, _ body: @escaping () throws -> Result
    ) -> SelectCase {
        let operation = ExchangeOperation(channel.exchange, giving: item)
        return SelectCase(kind: .operation(operation)) {
            if operation.remaining != nil { throw ChannelError.closed }
            return try body()
        }
    }

    /// Gets from a queue. If that was shut down and is empty, `select` throws `QueueShutDown`.
    public static func get<Element>(
        from queue: Queue<Element>, _ body: @escaping (Element) throws -> Result
    ) -> SelectCase {
        let operation = ExchangeOperation(queue.exchange, giving: nil)
        return SelectCase(kind: .operation(operation)) {
            guard let item = operation.remaining else { throw QueueShutDown() }
            return try body(item)
        }
    }

    /// Puts into a queue. If that was shut down, `select` throws `QueueShutDown`.
    public static func put<Element>(
        _ item: sending Element, into queue: Queue<Element>, _ body: @escaping () throws -> Result
    ) -> SelectCase {
        let operation = ExchangeOperation(queue.exchange, giving: item)
        return SelectCase(kind: .operation(operation)) {
            if operation.remaining != nil { throw QueueShutDown() }
            return try body()
        }
    }

    /// Waits until an event is set.
    public static func wait(for event: Event, _ body: @escaping () throws -> Result) -> SelectCase {
        SelectCase(kind: .operation(EventOperation(event)), complete: body)
    }

    /// Waits for the result of a waiter. Its error is thrown by `select`.
    public static func wait<Value>(
        for waiter: Waiter<Value>, _ body: @escaping (Value) throws -> Result
    ) -> SelectCase {
        SelectCase(kind: .operation(WaiterOperation(waiter))) { try body(waiter.shared.withLock { $0.result }!.get()) }
    }

    /// Waits for a result. Its error is thrown by `select`.
    public static func wait<Value>(
        for result: AsyncResult<Value>, _ body: @escaping (Value) throws -> Result
    ) -> SelectCase {
        let set = Event()
        let link = result.rawLink { _ in set.set() }
        let operation = EventOperation(set) { result.unlink(link) }
        return SelectCase(kind: .operation(operation)) { try body(result.getNow()) }
    }

    /// Waits for the end of a fiber, of any loop; the body looks at its value or error.
    public static func end(of fiber: AnyFiber, _ body: @escaping () throws -> Result) -> SelectCase {
        let (ended, link) = fiber.endEvent()
        return SelectCase(kind: .operation(EventOperation(ended) { fiber.unlink(link) }), complete: body)
    }

    /// Gives up after a while.
    public static func after(_ duration: Duration, _ body: @escaping () throws -> Result) -> SelectCase {
        at(.after(duration), body)
    }

    /// Gives up at a deadline.
    public static func at(_ deadline: Deadline, _ body: @escaping () throws -> Result) -> SelectCase {
        SelectCase(kind: .deadline(deadline), complete: body)
    }

    /// What to do when nothing is possible at once: such a select never waits.
    public static func otherwise(_ body: @escaping () throws -> Result) -> SelectCase {
        SelectCase(kind: .otherwise, complete: body)
    }
}
