import Synchronization

extension EventLoop {
    /// Makes a task that runs on this loop, from any thread.
    ///
    /// Where the loop is the default executor the task gets no preference of its own: the runtime looks for one at each
    /// return from an `await`, under a lock if there is any.
    @discardableResult
    package func makeTask<Value: Sendable>(
        name: String? = nil, _ body: @escaping @Sendable @isolated(any) () async -> Value
    ) -> Task<Value, Never> {
        isDefaultExecutor.load(ordering: .relaxed)
            ? Task(name: name, operation: body)
            : Task(name: name, executorPreference: taskExecutor, operation: body)
    }

    /// The same for code that throws.
    package func makeTask<Value: Sendable>(
        name: String? = nil, _ body: @escaping @Sendable @isolated(any) () async throws -> Value
    ) -> Task<Value, any Error> {
        isDefaultExecutor.load(ordering: .relaxed)
            ? Task(name: name, operation: body)
            : Task(name: name, executorPreference: taskExecutor, operation: body)
    }

    /// Makes a task that runs at once, on the caller's stack, up to where it suspends. On the loop's own thread.
    @discardableResult
    package func makeTaskAtOnce<Value: Sendable>(_ body: @escaping @Sendable @isolated(any) () async -> Value) -> Task<
        Value, Never
    > {
        isDefaultExecutor.load(ordering: .relaxed)
            ? Task.immediate(operation: body) : Task.immediate(executorPreference: taskExecutor, operation: body)
    }
}
