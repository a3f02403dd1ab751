/// A future was asked for what its state does not allow.
public enum InvalidStateError: Error, Hashable, CustomStringConvertible {
    /// `result()` before the end.
    case resultNotSet
    /// `exception()` before the end.
    case exceptionNotSet
    /// A second result, error or value for one future.
    case alreadyDone(state: String)
    /// A task's result is what its coroutine returns.
    case taskDecidesItself
    /// `wait(for:)` without any futures.
    case nothingToWaitFor

    public var description: String {
        switch self {
        case .resultNotSet: "Result is not set. Await the future, or look at isDone first"
        case .exceptionNotSet: "Exception is not set. Await the future, or look at isDone first"
        case .alreadyDone(let state): "invalid state: the future is \(state) already; look at isDone first"
        case .taskDecidesItself:
            "Task does not support setting a result: return or throw it in the coroutine, or use a Future"
        case .nothingToWaitFor: "Set of Tasks/Futures is empty: there is nothing to wait for"
        }
    }
}
