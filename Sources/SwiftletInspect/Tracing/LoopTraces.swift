import CSwiftlet
import SwiftletCoroutines
import SwiftletLoop

/// What loops note for whoever looks: their events for one who records, and for how long each coroutine has run for any number
/// of watchers.
enum LoopTraces {
    private static let ringSize = 1 << 16

    private struct Trace: @unchecked Sendable {
        let pointer: UnsafeMutablePointer<swiftlet_trace>
        var isRecorded = false
    }

    private struct State {
        /// Of loops that were traced before, too: a loop's thread may still be writing its last event.
        var traces: [ObjectIdentifier: Trace] = [:]
        var watchers = 0
    }

    private static let state = Locked(State())

    /// The ring of a loop; `nil` without memory.
    static func ring(of loop: EventLoop) -> UnsafeMutablePointer<swiftlet_trace>? {
        nonisolated(unsafe) var ring: UnsafeMutablePointer<swiftlet_trace>?
        state.withLock { ring = trace(of: loop, in: &$0)?.pointer }
        return ring
    }

    private static func trace(of loop: EventLoop, in state: inout State) -> Trace? {
        let key = ObjectIdentifier(loop)
        if let known = state.traces[key] { return known }
        guard let made = swiftlet_trace_make(ringSize) else { return nil }
        state.traces[key] = Trace(pointer: made)
        return state.traces[key]
    }

    /// Lets a loop note its events, or ends that.
    static func record(_ loop: EventLoop, _ isRecorded: Bool) {
        state.withLock { state in
            guard var trace = trace(of: loop, in: &state) else { return }
            trace.isRecorded = isRecorded
            state.traces[ObjectIdentifier(loop)] = trace
            apply(trace, to: loop, state)
        }
    }

    /// From now on loops count for how long coroutines run.
    static func beginCounting() { changeWatchers(by: 1) }
    static func endCounting() { changeWatchers(by: -1) }

    private static func changeWatchers(by difference: Int) {
        state.withLock { state in
            state.watchers += difference
            for loop in EventLoop.all {
                if let trace = trace(of: loop, in: &state) { apply(trace, to: loop, state) }
            }
        }
    }

    /// Loops that were made since.
    static func takeUpLoops() {
        state.withLock { state in
            guard state.watchers > 0 else { return }
            for loop in EventLoop.all where state.traces[ObjectIdentifier(loop)] == nil {
                if let trace = trace(of: loop, in: &state) { apply(trace, to: loop, state) }
            }
        }
    }

    private static func apply(_ trace: Trace, to loop: EventLoop, _ state: State) {
        swiftlet_trace_set(trace.pointer, trace.isRecorded, state.watchers > 0)
        loop.trace(into: trace.isRecorded || state.watchers > 0 ? trace.pointer : nil)
    }
}
