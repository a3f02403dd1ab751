import CSwiftlet
import SwiftletCoroutines
import SwiftletLoop

/// What the inspector notes by itself, ten times a second.
final class Sampler: Sendable {
    struct Watched {
        var history = LoopHistory()
        let probe = DelayProbe()
    }

    private struct State {
        var loops: [ObjectIdentifier: Watched] = [:]
        let begin = swiftlet_now()
    }

    static let interval = 100  // milliseconds
    private let state = Locked(State())

    func sample() {
        LoopTraces.takeUpLoops()
        let loops = EventLoop.all
        var probed: [(EventLoop, DelayProbe)] = []
        let now = swiftlet_now()
        state.withLock { state in
            let known = Set(loops.map { ObjectIdentifier($0) })
            state.loops = state.loops.filter { known.contains($0.key) }
            for loop in loops {
                let pulse = loop.pulse
                let key = ObjectIdentifier(loop)
                state.loops[key, default: Watched()].history.add(
                    LoopHistory.Sample(
                        time: now, lastWait: pulse.lastWait, fibers: pulse.fibers, turns: pulse.turns,
                        processorTime: pulse.processorTime))
                if pulse.isWorking { probed.append((loop, state.loops[key]!.probe)) }
            }
        }
        for (loop, probe) in probed { probe.send(to: loop) }
    }

    func watched(_ loop: EventLoop) -> Watched? { state.withLock { $0.loops[ObjectIdentifier(loop)] } }

    /// For how long it has watched, in nanoseconds.
    var age: Int { Int(swiftlet_now() - state.withLock { $0.begin }) }
}
