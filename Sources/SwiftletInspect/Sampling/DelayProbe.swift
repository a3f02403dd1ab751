import CSwiftlet
import SwiftletCoroutines
import SwiftletLoop

/// How long work that becomes ready stands in a loop's queue: a call of the probe's own is sent there now and then, and tells
/// when its turn has come. Only while the loop works; one that sleeps would be woken for nothing.
final class DelayProbe: Sendable {
    private struct State {
        var sent: UInt64?
        var delays: [Int] = []
        var next = 0
    }

    private static let kept = 512
    private let state = Locked(State())

    func send(to loop: EventLoop) {
        let now = swiftlet_now()
        let isFree = state.withLock { state in
            guard state.sent == nil else { return false }
            state.sent = now
            return true
        }
        guard isFree else { return }
        let isAccepted = loop.perform {
            let delay = Int(swiftlet_now() - now)
            self.state.withLock { state in
                state.sent = nil
                if state.delays.count < Self.kept {
                    state.delays.append(delay)
                } else {
                    state.delays[state.next] = delay
                }
                state.next = (state.next + 1) % Self.kept
            }
        }
        if !isAccepted { state.withLock { $0.sent = nil } }
    }

    /// The delays below which half, nine tenths, 99 % and all of the calls stayed. The one under way counts as it is.
    var percentiles: [Int] {
        var (delays, sent) = state.withLock { ($0.delays, $0.sent) }
        if let sent { delays.append(Int(swiftlet_now() - min(sent, swiftlet_now()))) }
        guard !delays.isEmpty else { return [] }
        delays.sort()
        return [50, 90, 99, 100].map { delays[min(delays.count - 1, delays.count * $0 / 100)] }
    }
}
