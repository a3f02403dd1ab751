import CSwiftlet
import SwiftletCoroutines

/// A group with so many places: who wants to spawn one more waits until a fiber has ended. gevent's `Pool`.
///
/// ```swift
/// let pool = FiberPool(size: 10)
/// let sizes = try pool.map(urls) { url in try HTTP.get(url).text.count }
/// ```
///
/// Places are handed on in the order of asking.
public final class FiberPool: FiberSet, @unchecked Sendable {
    /// How many fibers it may hold. With 0, nobody ever gets in.
    public let size: Int
    /// How many places are free. While there are any, nobody waits for one.
    public private(set) var freeCount: Int
    private var waiting: [WaitToken] = []
    private var firstWaiting = 0

    /// Makes an empty pool on the loop of the calling thread.
    public init(size: Int) {
        self.size = max(0, size)
        freeCount = max(0, size)
        super.init()
    }

    /// No place is free.
    public var isFull: Bool { freeCount == 0 }

    /// Makes a fiber in the pool, once there is a place.
    ///
    /// Cancellation: ends the wait; nothing is spawned.
    /// - Parameters:
    ///   - name: how reports call it.
    ///   - timeout: how long to wait for a place at most; zero does not wait.
    ///   - file: where it is spawned, for reports.
    ///   - line: the same.
    ///   - body: plain synchronous code.
    /// - Throws: `FiberSetError.full`; `CancellationError`; `DeadlockError`.
    @discardableResult
    public func spawn<Value>(
        name: String? = nil, timeout: Duration? = nil, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping () throws -> Value
    ) throws -> Fiber<Value> {
        try spawnMember(name: name, until: timeout.map { .after($0) }, file: file, line: line, body)
    }

    /// Takes in a fiber of the same loop until it ends, once there is a place.
    ///
    /// Cancellation: ends the wait; the fiber stays outside.
    /// - Parameters:
    ///   - fiber: it may run already.
    ///   - timeout: how long to wait for a place at most; zero does not wait.
    /// - Throws: `FiberSetError`; `CancellationError`; `DeadlockError`.
    public func add(_ fiber: AnyFiber, timeout: Duration? = nil) throws {
        try addMember(fiber, until: timeout.map { .after($0) })
    }

    /// Takes in a fiber made by `Fiber.init`, once there is a place, and starts it.
    ///
    /// Cancellation: ends the wait; the fiber is not started.
    /// - Throws: `FiberSetError`; `CancellationError`; `DeadlockError`.
    public func start(_ fiber: AnyFiber, timeout: Duration? = nil) throws {
        try add(fiber, timeout: timeout)
        fiber.start()
    }

    /// Waits until a place is free, and leaves it free.
    ///
    /// Cancellation: ends the wait.
    /// - Returns: how many are free; 0 when `timeout` came first.
    /// - Throws: `CancellationError`; `DeadlockError`.
    @discardableResult
    public func waitAvailable(timeout: Duration? = nil) throws -> Int {
        try loop.requireOwnThread()
        do {
            try takePlace(until: timeout.map { .after($0) })
            leavePlace()
        } catch FiberSetError.full {
            return 0
        }
        return freeCount
    }

    override func takePlace(until deadline: Deadline?) throws {
        if freeCount > 0 {
            freeCount -= 1
            return
        }
        if let deadline, deadline <= .now { throw FiberSetError.full(size: size) }
        var mine: WaitToken?
        do {
            // Woken: the place has been handed over, and `freeCount` never counted it.
            let outcome = try park(.fiber, until: deadline) { token in
                mine = token
                waiting.append(token)
            }
            if outcome == .woken { return }
        } catch {
            forget(mine)
            throw error
        }
        forget(mine)
        throw FiberSetError.full(size: size)
    }

    override func leavePlace() {
        while firstWaiting < waiting.count {
            let token = waiting[firstWaiting]
            firstWaiting += 1
            if token.wake() { return }  // exact here: it waits on this very thread
        }
        waiting.removeAll(keepingCapacity: true)
        firstWaiting = 0
        freeCount += 1
    }

    private func forget(_ token: WaitToken?) {
        waiting.removeSubrange(..<firstWaiting)
        firstWaiting = 0
        waiting.removeAll { $0 == token }
    }
}
