import SwiftletCoroutines

/// A clock that is set running in a fiber and, unless cancelled in time, throws itself where that fiber then waits.
/// gevent's `Timeout`.
///
/// For a region that must end in time use `withTimeout`. This is for what has no such shape, and for telling apart timeouts
/// that nest: each throws itself, or an error of your choice.
///
/// ```swift
/// let timeout = try FiberTimeout.start(.seconds(5))
/// defer { timeout.cancel() }
/// do {
///     try talk()
/// } catch let error as FiberTimeout where error === timeout {
///     print("too slow")
/// }
/// ```
///
/// States: idle -> pending -> idle, by `cancel()`; or pending -> fired -> idle, by `cancel()`. It throws once.
///
/// Thread rules: it belongs to the fiber that started it.
public final class FiberTimeout: Error, CustomStringConvertible, @unchecked Sendable {
    private let duration: Duration?
    private let error: (any Error)?
    private weak var fiber: AnyFiber?
    private var timer: TimeoutTimer?

    /// Makes a timeout that does not run yet.
    ///
    /// - Parameters:
    ///   - duration: how long after its start it throws; `nil` never.
    ///   - error: what it throws instead of itself.
    public init(_ duration: Duration?, throwing error: (any Error)? = nil) {
        self.duration = duration
        self.error = error
    }

    /// Makes a timeout and starts it. gevent's `Timeout.start_new`.
    ///
    /// - Throws: `FiberTimeoutError.outsideFiber`.
    public static func start(_ duration: Duration?, throwing error: (any Error)? = nil) throws -> FiberTimeout {
        let timeout = FiberTimeout(duration, throwing: error)
        try timeout.start()
        return timeout
    }

    /// Starts it in the calling fiber.
    ///
    /// - Throws: `FiberTimeoutError` when it runs already, or outside fibers.
    public func start() throws {
        guard fiber == nil else { throw FiberTimeoutError.alreadyStarted }
        guard let current = AnyFiber.current else { throw FiberTimeoutError.outsideFiber }
        fiber = current
        guard let duration else { return }
        let timer = TimeoutTimer(self)
        self.timer = timer
        current.loop.scheduleTimer(for: timer.item, at: Deadline.after(duration).nanoseconds)
    }

    /// Stops it: it will not throw any more, and can be started again. Does nothing to one that does not run. gevent's
    /// `cancel` and `close`.
    public func cancel() {
        if let timer, !timer.isObsolete {
            timer.isCancelled = true
            fiber?.loop.timerIsStale()
        }
        timer = nil
        fiber?.withdrawInterrupt(from: self)
        fiber = nil
    }

    /// It runs and has not fired.
    public var isPending: Bool { timer.map { !$0.isObsolete } ?? false }

    public var description: String { "timed out after \(duration.map(\.description) ?? "no time")" }

    fileprivate func fire() { fiber?.interrupt(with: error ?? self, from: self) }
}

/// A `FiberTimeout` was used in a way it cannot be.
public enum FiberTimeoutError: Error, Hashable, CustomStringConvertible {
    case alreadyStarted
    case outsideFiber

    public var description: String {
        switch self {
        case .alreadyStarted: "the timeout has been started: cancel() it first, or make another"
        case .outsideFiber:
            "a FiberTimeout interrupts a fiber: start it in one, or use withTimeout { }, which works everywhere"
        }
    }
}

private final class TimeoutTimer: Callback {
    private let timeout: FiberTimeout
    private var hasFired = false
    var isCancelled = false

    init(_ timeout: FiberTimeout) { self.timeout = timeout }

    override var isObsolete: Bool { isCancelled || hasFired }

    override func run() {
        guard !isObsolete else { return }
        hasFired = true
        timeout.fire()
    }
}

/// Runs a region whose waits must end within a duration from now; when they do not, answers a value instead of throwing.
/// `with_timeout(…, timeout_value=…)` of gevent, and with `default: ()` its silent form.
///
/// - Returns: what the body returns, or the default when this very timeout ended it.
/// - Throws: what the body throws, the `DeadlineExceeded` of a timeout inside it included.
public func withTimeout<Value>(
    _ duration: Duration, default fallback: @autoclosure () throws -> Value, _ body: () throws -> Value
) throws -> Value {
    let scope = CancelScope(deadline: .after(duration))
    do {
        return try scope.enter(body)
    } catch is CancellationError where scope.hasExpired {
        return try fallback()
    }
}

/// Runs async code that must end within a duration from now; when it does not, answers a value instead of throwing.
///
/// - Returns: what the body returns, or the default when this very timeout ended it.
/// - Throws: what the body throws, the `DeadlineExceeded` of a timeout inside it included.
@concurrent
public func withTimeout<Value: Sendable>(
    _ duration: Duration, default fallback: Value, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let outcome: Result<Value, any Error>
    do {
        outcome = try await withTimeout(duration) { () async throws -> Result<Value, any Error> in
            do {
                return .success(try await body())
            } catch let error as DeadlineExceeded {
                return .failure(error)  // the body's own, not this one's
            }
        }
    } catch is DeadlineExceeded {
        return fallback
    }
    return try outcome.get()
}
