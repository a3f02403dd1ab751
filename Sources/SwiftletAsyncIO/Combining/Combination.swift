import SwiftletLoop

/// Several futures observed until enough of them are done. Everything happens on the loop's thread.
final class Combination: @unchecked Sendable {
    private let futures: [AnyFuture]
    private var wanted: Int
    private let endsAt: (AnyFuture) -> Bool
    private var enough: Future<Void>
    /// How many there are, each counted once.
    var count: Int { futures.count }
    /// In the order of their ends.
    private(set) var done: [AnyFuture] = []
    /// The one whose end was enough by itself; others may end before who waits has its turn.
    private(set) var decisive: AnyFuture?

    /// - Parameters:
    ///   - name: what the futures' descriptions call it.
    ///   - futures: those to observe, each once.
    ///   - count: how many ends are enough.
    ///   - endsAt: whether one end is enough by itself.
    /// - Throws: `LoopError.wrongThread` when one belongs to another loop.
    init(
        _ name: StaticString, _ futures: [AnyFuture], count: Int, endsAt: @escaping (AnyFuture) -> Bool = { _ in false }
    ) throws {
        let loop = try EventLoop.running
        var distinct = Set<AnyFuture>()
        self.futures = futures.filter { distinct.insert($0).inserted }
        for future in self.futures where future.loop !== loop { throw LoopError.wrongThread }
        wanted = min(count, self.futures.count)
        self.endsAt = endsAt
        enough = Future(on: loop)
        for future in self.futures where !enough.isDone {
            future.addObserver(.combination(ObjectIdentifier(self), name: name) { [self] in ended($0) })
        }
    }

    private func ended(_ future: AnyFuture) {
        done.append(future)
        if enough.isDone { return }
        if endsAt(future) { decisive = future }
        if decisive != nil || done.count >= wanted { stop() }
    }

    /// Ends the wait as it is.
    func stop() {
        if !enough.isDone { enough.succeed(()) }
    }

    /// Cancellation: ends the wait; the futures go on.
    func untilEnough() async throws {
        defer { end() }
        try await enough.value
    }

    /// Waits until so many are done, or `stop`; may be called again and again. To be ended by `end`.
    ///
    /// Cancellation: ends the wait; the futures go on.
    func until(count: Int) async throws {
        wanted = count
        if done.count >= count { return }
        if enough.isDone { enough = Future(on: enough.loop) }
        try await enough.value
    }

    /// Observes them no longer.
    func end() {
        for future in futures where !future.isDone { future.removeCombination(ObjectIdentifier(self)) }
    }
}
