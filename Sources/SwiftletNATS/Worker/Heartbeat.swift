import SwiftletCoroutines
import SwiftletLoop

/// Says of each job that a worker has that it is not lost. From another thread than the jobs': they may compute for long.
final class Heartbeat: Sendable {
    private struct State {
        /// Where the jobs' acknowledgements go, by their keys.
        var jobs: [String: String] = [:]
        var timer: AnyFiber?
    }

    private let interval: Duration
    private let state = Locked(State())

    init(interval: Duration) { self.interval = interval }

    func add(_ key: String, _ acknowledgement: String) { state.withLock { $0.jobs[key] = acknowledgement } }

    func remove(_ key: String) { state.withLock { _ = $0.jobs.removeValue(forKey: key) } }

    /// - Throws: `LoopError` if the process has no further thread.
    func start(over connection: Connection) throws {
        let timer = try EventLoop.sharedLoop().spawn(name: "heartbeat of a NATS worker") { [self] in
            while true {
                try sleep(interval)
                let jobs = Array(state.withLock { $0.jobs.values })
                if jobs.isEmpty { continue }
                try toThread { connection.sendFromThread(jobs.map { OutgoingMessage($0, text: "+WPI") }) }
            }
        }
        state.withLock { $0.timer = timer }
    }

    func stop() { state.withLock { $0.timer.take() }?.cancel() }
}
