public import SwiftletCoroutines

extension SpawnScope {
    /// Makes a fiber that runs the body soon, as a child of this scope. trio's `start_soon`, asyncio's `create_task`.
    ///
    /// A failure cancels the scope. A child that ends because it was cancelled itself does not.
    /// - Parameters:
    ///   - name: how reports call it.
    ///   - delay: how long to wait before it starts.
    ///   - stackSize: bytes of address space for its stack; memory is used only as touched.
    ///   - file: where it is spawned, for reports.
    ///   - line: the same.
    ///   - body: plain synchronous code; it may spawn siblings.
    /// - Returns: the fiber. In a cancelled scope it never begins. After the scope's end it fails with
    ///   `SpawnScopeError.ended`; spawned on another thread, it and the scope fail with `.wrongThread`.
    @inlinable
    @discardableResult
    public func spawn<Value>(
        name: String? = nil, after delay: Duration? = nil, stackSize: Int = StackSize.default,
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Value
    ) -> Fiber<Value> {
        let fiber = unsafe Fiber(body, loop: Unmanaged.passUnretained(loop).toOpaque(), file: file, line: line)
        begin(fiber, nil, name: name, after: delay, stackSize: stackSize)
        return fiber
    }

    /// Makes a task that runs the body soon, as a child of this scope. From any thread.
    ///
    /// The same as for a fiber holds, but for stacks: the task runs on the scope's loop and keeps one only while it
    /// waits in synchronous code.
    /// - Parameters:
    ///   - name: the task's name.
    ///   - body: async code; it may spawn siblings.
    // Else it would be taken for synchronous closures too, as it has fewer defaulted parameters.
    @_disfavoredOverload
    @discardableResult
    public func spawn<Value: Sendable>(
        name: String? = nil, _ body: @escaping @Sendable () async throws -> Value
    ) -> Task<Value, any Error> {
        begin(nil, name: name, body)
    }

    /// Makes a fiber, and waits until it says that it is ready. trio's `start`.
    ///
    /// ```swift
    /// let (port, server) = try scope.start { ready in
    ///     let listener = try TCPListener(port: 0)
    ///     try ready(listener.address.port)
    ///     try serve(listener)
    /// }
    /// ```
    ///
    /// Until it is ready the child's failure is the caller's; from then on the scope's, like that of any child.
    ///
    /// Cancellation: of the caller cancels a child that is not ready yet, and waits for its end.
    /// - Returns: what the child signalled, and the child.
    /// - Throws: the child's error; `SpawnScopeError.endedBeforeReady`; `CancellationError`.
    @discardableResult
    public func start<Ready, Value>(
        name: String? = nil, stackSize: Int = StackSize.default, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping (ReadySignal<Ready>) throws -> Value
    ) throws -> (ready: Ready, child: Fiber<Value>) {
        let signal = ReadySignal<Ready>()
        let fiber = unsafe Fiber(
            { try body(signal) }, loop: Unmanaged.passUnretained(loop).toOpaque(), file: file, line: line)
        begin(fiber, signal, name: name, after: nil, stackSize: stackSize)
        return (try signal.wait { fiber.cancel() }, fiber)
    }

    /// Makes a task, and waits until it says that it is ready.
    ///
    /// Cancellation: of the caller cancels a child that is not ready yet, and waits for its end.
    /// - Returns: what the child signalled, and the child.
    /// - Throws: the child's error; `SpawnScopeError.endedBeforeReady`; `CancellationError`.
    @discardableResult
    public func start<Ready: Sendable, Value: Sendable>(
        name: String? = nil, _ body: @escaping @Sendable (ReadySignal<Ready>) async throws -> Value
    ) async throws -> (ready: Ready, child: Task<Value, any Error>) {
        let signal = ReadySignal<Ready>()
        let task = begin(signal, name: name) { try await body(signal) }
        return (try await parkInTask { try signal.wait { task.cancel() } }, task)
    }

    // MARK: Making children

    @usableFromInline
    func begin(
        _ fiber: AnyFiber, _ starting: (any StartingChild)?, name: String?, after delay: Duration?, stackSize: Int
    ) {
        guard loop.isCurrent else {
            _ = starting?.end(SpawnScopeError.wrongThread)
            fiber.finishUnstarted(SpawnScopeError.wrongThread)
            return fail(fiber.error!)
        }
        guard let number = admit(starting) else {
            _ = starting?.end(SpawnScopeError.ended)
            return fiber.finishUnstarted(SpawnScopeError.ended)
        }
        fiber.isObserved = true
        fiber.makeExtras().membership = (self, number)
        loop.schedule(fiber, name: name, after: delay, stackSize: stackSize)
        keep(fiber, as: number)
    }

    func begin<Value: Sendable>(
        _ starting: (any StartingChild)?, name: String?, _ body: @escaping @Sendable () async throws -> Value
    ) -> Task<Value, any Error> {
        guard let number = admit(starting) else {
            _ = starting?.end(SpawnScopeError.ended)
            return Task { throw SpawnScopeError.ended }
        }
        let task = loop.makeTask(name: name) {
            do {
                try Task.checkCancellation()
                let value = try await body()
                self.childEnded(number, nil)
                return value
            } catch {
                self.childEnded(number, error)
                throw error
            }
        }
        keep(task, as: number)
        return task
    }
}
