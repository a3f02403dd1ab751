import CSwiftlet
import SwiftletCoroutines

/// What `iwait` answers: things in the order in which they become ready. Asking for the next one parks.
///
/// A `for` loop cannot throw where it waits: an error, such as `CancellationError`, ends it and is kept in `failure`. Use
/// `next()` where it should be thrown. One at a time may ask.
public final class ReadySequence<Object>: Sequence {
    private struct Arrivals {
        var indices: [Int] = []
        var taken = 0
        var token: WaitToken?
    }

    private let objects: [Object]
    private let wanted: Int
    private let deadline: Deadline?
    private let arrivals = Locked(Arrivals())
    private var withdrawals: [@Sendable () -> Void] = []
    private let waitables: [any Waitable]
    /// What ended a `for` loop early.
    public private(set) var failure: (any Error)?

    init(_ objects: [Object], until deadline: Deadline?, count: Int?, _ waitable: (Object) -> any Waitable) {
        self.objects = objects
        self.deadline = deadline
        wanted = Swift.min(count ?? objects.count, objects.count)
        waitables = objects.map(waitable)
        for (index, object) in waitables.enumerated() {
            withdrawals.append(
                object.whenReady { [arrivals] in
                    arrivals.withLock {
                        $0.indices.append(index)
                        return $0.token
                    }?.wake()
                })
        }
    }

    deinit { withdraw() }

    private func withdraw() {
        for withdrawal in withdrawals { withdrawal() }
        withdrawals = []
    }

    /// Waits for the next one.
    ///
    /// Cancellation: ends the wait; nothing is lost.
    /// - Returns: `nil` when all that are wanted have been handed out, or the time has passed.
    /// - Throws: `CancellationError`; `DeadlockError`.
    public func next() throws -> Object? {
        while true {
            let (index, isOver) = arrivals.withLock { arrivals -> (Int?, Bool) in
                guard arrivals.taken < wanted else { return (nil, true) }
                guard arrivals.taken < arrivals.indices.count else { return (nil, false) }
                defer { arrivals.taken += 1 }
                return (arrivals.indices[arrivals.taken], false)
            }
            if let index { return objects[index] }
            if try isOver || !waitForArrival() {
                withdraw()
                return nil
            }
        }
    }

    /// False when the time has passed.
    private func waitForArrival() throws -> Bool {
        let loop = EventLoop.currentIfAny
        let isLocal = loop.map { loop in waitables.allSatisfy { $0.isLocal(to: loop) } } ?? false
        if !isLocal { unsafe loop?.foreignWaits += 1 }
        defer {
            if !isLocal { unsafe loop?.foreignWaits -= 1 }
            arrivals.withLock { $0.token = nil }
        }
        let outcome = try park(isLocal ? .fiber : .waiter, until: deadline) { token in
            let isLate = arrivals.withLock { arrivals in
                arrivals.token = token
                return arrivals.taken < arrivals.indices.count
            }
            if isLate { token.wake() }
        }
        return outcome == .woken
    }

    func rest() throws -> [Object] {
        var ready: [Object] = []
        while let object = try next() { ready.append(object) }
        return ready
    }

    public struct Iterator: IteratorProtocol {
        fileprivate let sequence: ReadySequence

        public mutating func next() -> Object? {
            do {
                return try sequence.next()
            } catch {
                sequence.failure = error
                return nil
            }
        }
    }

    public func makeIterator() -> Iterator { Iterator(sequence: self) }
}
