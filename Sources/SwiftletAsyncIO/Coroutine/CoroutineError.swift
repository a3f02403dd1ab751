/// A coroutine, or something that should have been one, was used wrongly.
public enum CoroutineError: Error, Hashable, CustomStringConvertible {
    /// It has run already, or was closed: a coroutine object runs once.
    case alreadyAwaited(coroutine: String)
    /// Somebody awaits it at present.
    case beingAwaited(coroutine: String)
    /// The value has nothing that could be awaited.
    case notAwaitable(type: String)
    /// A task cannot wait for its own end.
    case awaitsItself(task: String)
    /// `StopIteration` left its body.
    case raisedStopIteration
    /// What `makeAwaitIterator()` returned is none.
    case notAwaitIterator(type: String)
    /// It runs, so only its task can be ended.
    case closedWhileRunning(coroutine: String)

    public var description: String {
        switch self {
        case .alreadyAwaited(let coroutine):
            "cannot reuse already awaited coroutine \(coroutine): make a new one, or make it a task, which may be awaited often"
        case .beingAwaited(let coroutine):
            "coroutine \(coroutine) is being awaited already: make it a task, which several may await"
        case .notAwaitable(let type): "object \(type) can't be used in 'await' expression"
        case .awaitsItself(let task):
            "Task cannot await on itself: \(task) would never end; return the value, or await another task"
        case .raisedStopIteration:
            "coroutine raised StopIteration: return from the body to end it, or throw an error of your own"
        case .notAwaitIterator(let type): "makeAwaitIterator() returned non-iterator of type '\(type)'"
        case .closedWhileRunning(let coroutine):
            "coroutine \(coroutine) has begun and cannot be closed: cancel the task that runs it"
        }
    }
}
