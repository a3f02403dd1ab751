import SwiftletCoroutines
import SwiftletLoop

/// The calls of a map, by their numbers: which are under way, and what has come of those that nobody has asked for yet.
///
/// It knows no type of jobs, and keeps results as they came: what is not specialized for a type costs more than all else that
/// is done for a small job.
///
/// States of a call: underway -> answered -> left. In order, a call leaves once all before it have.
final class MapCalls: @unchecked Sendable {
    /// What came of a call.
    struct Answer {
        /// How many jobs it had.
        let count: Int
        let outcome: PoolCall.Outcome
    }

    private enum Place {
        /// No call as long as it is being made.
        case underway(PoolCall?)
        case answered(Answer)
        case left
    }

    private struct State {
        /// The calls that are there, in their order, and the number of the first.
        var places = RingBuffer<Place>()
        var firstNumber = 0
        /// What can be asked for.
        var ready = RingBuffer<Answer>()
        var isTaking = true
        var hasFailed = false
        var isCancelled = false

        subscript(number: Int) -> Place {
            get { places[number - firstNumber] }
            set { places[number - firstNumber] = newValue }
        }

        mutating func open() -> Int {
            places.append(.underway(nil))
            return firstNumber + places.count - 1
        }

        mutating func put(_ answer: Answer, at number: Int, isOrdered: Bool) {
            if answer.outcome.hasFailure { hasFailed = true }
            if isOrdered {
                self[number] = .answered(answer)
            } else {
                self[number] = .left
                ready.append(answer)
            }
            while let first = places.first {
                switch first {
                case .underway: return
                case .answered(let answer): ready.append(answer)
                case .left: break
                }
                _ = places.popFirst()
                firstNumber += 1
            }
        }

        mutating func nextOnes() -> [Answer] {
            defer { ready = RingBuffer() }
            return (0..<ready.count).map { ready[$0] }
        }

        var hasEnded: Bool { !isTaking && places.count == 0 && ready.count == 0 }
    }

    let engine: any CallEngine
    private let isOrdered: Bool
    private let stopsAtFailure: Bool
    private let state = Locked(State())
    /// A permit for each call that may be under way or wait to be asked for.
    private let room: Semaphore
    private let changed = Event()

    init(_ engine: any CallEngine, room: Int, isOrdered: Bool, stopsAtFailure: Bool) {
        self.engine = engine
        self.isOrdered = isOrdered
        self.stopsAtFailure = stopsAtFailure
        self.room = Semaphore(room)
    }

    // MARK: Input

    /// Waits until a call may be made.
    ///
    /// - Returns: whether more shall be made.
    func waitForRoom() throws -> Bool {
        try room.acquire()
        return state.withLock { !($0.isCancelled || stopsAtFailure && $0.hasFailed) }
    }

    /// Sends a call with so many jobs. On the pool's loop, as all that is input.
    ///
    /// - Parameter make: makes it with the closure that takes its answer.
    func submit(count: Int, _ make: (@escaping (PoolCall.Outcome) -> Void) -> PoolCall) {
        let number = state.withLock { $0.open() }
        let call = make { [self] in put(Answer(count: count, outcome: $0.kept), at: number) }
        let isCancelled = state.withLock { state in
            state[number] = .underway(call)
            return state.isCancelled
        }
        engine.submit(call)
        if isCancelled { engine.cancel(call, CancellationError()) }
    }

    /// A job whose answer is known already.
    func fail(_ error: any Error) {
        put(Answer(count: 1, outcome: .failure(error)), at: state.withLock { $0.open() })
    }

    func endInput() {
        state.withLock { $0.isTaking = false }
        changed.set()
    }

    private func put(_ answer: Answer, at number: Int) {
        state.withLock { $0.put(answer, at: number, isOrdered: isOrdered) }
        changed.set()
    }

    // MARK: Output

    /// The answer whose turn it is; waits for it. It makes room for another call.
    ///
    /// - Returns: `nil` after the last.
    func next(until deadline: Deadline?) throws -> Answer? {
        while true {
            var hasEnded = false
            let found = state.withLock { state -> Answer? in
                if let found = state.ready.popFirst() { return found }
                hasEnded = state.hasEnded
                changed.clear()
                return nil
            }
            if let found {
                room.release()
                return found
            }
            if hasEnded { return nil }
            guard try changed.wait(timeout: deadline?.remaining) else { throw DeadlineExceeded() }
        }
    }

    /// All answers whose turn it is; waits for the first. They make room for as many calls.
    ///
    /// - Returns: none after the last.
    func nextOnes() throws -> [Answer] {
        while true {
            var hasEnded = false
            let found = state.withLock { state -> [Answer] in
                let found = state.nextOnes()
                if found.isEmpty {
                    hasEnded = state.hasEnded
                    changed.clear()
                }
                return found
            }
            if !found.isEmpty || hasEnded {
                room.release(found.count)
                return found
            }
            try changed.wait()
        }
    }

    /// Takes no further input, and cancels what is under way.
    func cancel() {
        let calls = state.withLock { state in
            state.isCancelled = true
            return (0..<state.places.count).compactMap {
                if case .underway(let call) = state.places[$0] { call } else { nil }
            }
        }
        let engine = engine
        engine.enter { for call in calls { engine.cancel(call, CancellationError()) } }
        room.release()
    }
}
