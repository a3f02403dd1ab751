import SwiftletCoroutines

extension FiberSet {
    /// Runs the body in a fiber of the group and waits for its value. Called by one of the group's own fibers, it runs the
    /// body in that one, which has a place already.
    ///
    /// Cancellation: ends the wait, not the fiber.
    /// - Throws: what the body throws; `CancellationError`.
    public final func apply<Value>(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Value
    ) throws -> Value {
        if let current = AnyFiber.current, contains(current) { return try body() }
        return try spawnMember(name: nil, until: nil, file: file, line: line, body).get()
    }

    /// Runs the body in a fiber of the group, without waiting: if there is no place, a fiber outside waits for one.
    ///
    /// - Parameters:
    ///   - file: where it is called, for reports.
    ///   - line: the same.
    ///   - body: plain synchronous code.
    ///   - callback: runs with the value, in a fiber of its own, if the body succeeds.
    /// - Returns: a fiber with the body's value.
    @discardableResult
    public final func applyAsync<Value>(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Value,
        callback: ((Value) throws -> Void)? = nil
    ) -> Fiber<Value> {
        let fiber: Fiber<Value>
        do {
            fiber = try spawnMember(name: nil, until: .now, file: file, line: line, body)
        } catch {
            fiber = spawn(file: file, line: line) { try self.apply(file: file, line: line, body) }
        }
        if let callback { fiber.linkValue(file: file, line: line, callback) }
        return fiber
    }

    /// Runs the body for each item, each in a fiber of the group, and waits for all values.
    ///
    /// Cancellation: ends the wait, not the fibers.
    /// - Returns: the values in the order of the items.
    /// - Throws: the error of the first item, in their order, that fails; the others go on. `CancellationError`.
    public final func map<Items: Sequence, Value>(
        _ items: Items, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping (Items.Element) throws -> Value
    ) throws -> [Value] {
        var fibers: [Fiber<Value>] = []
        for item in items {
            fibers.append(try spawnMember(name: nil, until: nil, file: file, line: line) { try body(item) })
        }
        return try fibers.map { try $0.get() }
    }

    /// The same without waiting.
    ///
    /// - Parameters:
    ///   - items: taken one by one, as there are places.
    ///   - file: where it is called, for reports.
    ///   - line: the same.
    ///   - body: plain synchronous code.
    ///   - callback: runs with all values, in a fiber of its own, if every item succeeds.
    /// - Returns: a fiber, outside the group, with all values.
    @discardableResult
    public final func mapAsync<Items: Sequence, Value>(
        _ items: Items, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping (Items.Element) throws -> Value, callback: (([Value]) throws -> Void)? = nil
    ) -> Fiber<[Value]> {
        let fiber = spawn(file: file, line: line) { try self.map(items, file: file, line: line, body) }
        if let callback { fiber.linkValue(file: file, line: line, callback) }
        return fiber
    }

    /// Runs the body for each item, each in a fiber of the group, and hands out the values in the order of the items.
    ///
    /// - Parameters:
    ///   - items: taken one by one, as there are places. They are taken in another fiber, and taking may wait.
    ///   - lookAhead: how many items may have been taken whose values have not; `nil` sets no bound. gevent's `maxsize`.
    ///   - file: where it is called, for reports.
    ///   - line: the same.
    ///   - body: plain synchronous code.
    public final func imap<Items: Sequence, Value>(
        _ items: Items, lookAhead: Int? = nil, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping (Items.Element) throws -> Value
    ) -> FiberResults<Value> {
        FiberResults(items, in: self, isOrdered: true, lookAhead: lookAhead, file: file, line: line, body)
    }

    /// The same, but the values come as they are ready.
    public final func imapUnordered<Items: Sequence, Value>(
        _ items: Items, lookAhead: Int? = nil, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping (Items.Element) throws -> Value
    ) -> FiberResults<Value> {
        FiberResults(items, in: self, isOrdered: false, lookAhead: lookAhead, file: file, line: line, body)
    }
}
