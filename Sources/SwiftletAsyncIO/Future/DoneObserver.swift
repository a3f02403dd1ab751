import SwiftletLoop

/// Who is told when a future is done, in order of arrival.
enum DoneObserver {
    /// A closure of the program, called in one of the next turns.
    case callback(DoneCallback, (AnyFuture) throws -> Void)
    /// A task that awaits the future.
    case task(UnsafeContinuation<Void, Never>)
    /// A stack that waits for it.
    case stack(WaitToken)
    /// Somebody on another thread.
    case elsewhere(Waiter<Void>)
    /// `gather`, `wait`, …: told at once.
    case combination(ObjectIdentifier, name: StaticString, (AnyFuture) -> Void)

    /// As the future's description shows it.
    var description: String {
        switch self {
        case .callback(let callback, _): callback.description
        case .task, .elsewhere: "Task.wakeUp()"
        case .stack: "Fiber.wakeUp()"
        case .combination(_, let name, _): "\(name)()"
        }
    }
}

/// A done callback, as `removeDoneCallback` takes it.
public struct DoneCallback: Sendable, Hashable, CustomStringConvertible {
    let number: UInt64
    let name: String
    let file: StaticString
    let line: UInt32

    public static func == (left: Self, right: Self) -> Bool { left.number == right.number }

    public func hash(into hasher: inout Hasher) { hasher.combine(number) }

    /// Its name and place, as in `callback() at Module/File.swift:11`.
    public var description: String { "\(name)() at \(file):\(line)" }
}
