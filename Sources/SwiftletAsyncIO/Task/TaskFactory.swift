public import SwiftletLoop

/// Makes the tasks of a loop, in place of what `createTask` does by itself: to name, count or start them otherwise.
/// asyncio's task factory.
///
/// ```swift
/// struct Counting: TaskFactory {
///     func makeTask<Value>(
///         _ coroutine: Coroutine<Value>, name: String?, eager: Bool, on loop: EventLoop
///     ) throws(LoopError) -> LoopTask<Value> {
///         tasksMade.add(1)
///         return try loop.createTaskWithoutFactory(coroutine, name: name, eager: eager)
///     }
/// }
/// ```
public protocol TaskFactory: Sendable {
    /// Called by `createTask`, on the loop's thread, with what that was given.
    func makeTask<Value>(
        _ coroutine: Coroutine<Value>, name: String?, eager: Bool, on loop: EventLoop
    ) throws(LoopError) -> LoopTask<Value>
}

/// Starts each task at once, up to its first suspension. asyncio's `eager_task_factory`.
public struct EagerTaskFactory: TaskFactory {
    public init() {}

    public func makeTask<Value>(
        _ coroutine: Coroutine<Value>, name: String?, eager: Bool, on loop: EventLoop
    ) throws(LoopError) -> LoopTask<Value> {
        try loop.createTaskWithoutFactory(coroutine, name: name, eager: true)
    }
}

extension EventLoop {
    /// What makes this loop's tasks; `nil`: the loop itself. On the loop's thread. It is not asked for tasks that are made
    /// from other threads, nor for those that `gather` shares among coroutines.
    public var taskFactory: (any TaskFactory)? {
        get { asyncState.taskFactory }
        set { asyncState.taskFactory = newValue }
    }

    /// What `createTask` does where there is no factory: for factories.
    ///
    /// - Throws: `LoopError.wrongThread`, `.closed`.
    public func createTaskWithoutFactory<Value>(
        _ coroutine: Coroutine<Value>, name: String? = nil, eager: Bool = false
    ) throws(LoopError) -> LoopTask<Value> {
        try requireOwnThread(for: coroutine)
        return begin(coroutine, name: name, eager: eager)
    }
}
