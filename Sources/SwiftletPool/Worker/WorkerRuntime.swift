import CSwiftletPool
import Glibc
import SwiftletLoop

/// The worker's side of the socket: reads calls, runs each in a task of its own, and answers.
///
/// States: greeting -> serving -> finishing -> ended. It ends when the pool says so and all calls are answered, or at once when
/// the socket does.
final class WorkerRuntime: @unchecked Sendable {
    private let types: [JobType]
    private let channel: FrameChannel
    private let loop: EventLoop
    private let onError: @Sendable (any Error, String) -> Void
    private var running: [UInt64: Task<Void, Never>] = [:]
    private var finalizer: Begin.Setup?
    private var isFinishing = false
    private let finished = Waiter<CInt>()

    init(_ types: [JobType], on loop: EventLoop, _ onError: @escaping @Sendable (any Error, String) -> Void) {
        self.types = types
        self.loop = loop
        self.onError = onError
        channel = FrameChannel(owning: CInt(SWIFTLET_WORKER_SOCKET), loop: loop)
    }

    /// - Returns: the process's exit code.
    func run() throws -> CInt {
        let jobs = types.map { Hello.Job(name: $0.name, version: $0.version) }
        try channel.send(Frame(kind: .hello), Hello(build: buildIdentity, jobs: jobs))
        let reader = loop.spawn(name: "reader of the pool's socket") { [self] in
            do {
                try channel.receive { try take($0, $1) }
                // The pool has gone, and nobody waits for what still runs.
                if !isFinishing { _exit(0) }
            } catch {
                finished.resume(throwing: error)
            }
        }
        let code = try finished.wait()!
        reader.cancel()
        return code
    }

    private func take(_ frame: Frame, _ payload: Received) throws {
        switch frame.kind {
        case .call: try begin(frame, payload)
        case .cancel:
            channel.send(Frame(kind: .heard, call: frame.call))
            running[frame.call]?.cancel()
        case .begin: try setUp(payload.withBytes { try BinaryDecoder($0).decode(Begin.self) })
        case .finish:
            isFinishing = true
            finishIfIdle()
        default: throw WireError("the pool has sent a \(frame.kind) to a worker")
        }
    }

    // MARK: Calls

    private func begin(_ frame: Frame, _ received: Received) throws {
        let payload: Payload
        do {
            payload = try received.keep()
        } catch {
            return answer(frame.call, with: error)
        }
        let decoder = BinaryDecoder(payload.bytes)
        let context = frame.flags.contains(.enveloped) ? try decoder.decode(CallEnvelope.self) : nil
        guard frame.type < types.count else { throw WireError("the pool has asked for a job of no known type") }
        let type = types[frame.type]
        let input = JobInput(
            payload: payload, start: decoder.position, isPlain: frame.flags.contains(.plain),
            sharesBuild: true)
        let call = frame.call
        let onError = onError
        // On the loop that this object belongs to.
        running[call] = loop.makeTask { [self] in
            let output =
                if let context {
                    await context.bind { await type.run(input, onError) }
                } else {
                    await type.run(input, onError)
                }
            answer(call, output)
        }
    }

    private func answer(_ call: UInt64, _ output: JobOutput) {
        running[call] = nil
        channel.send(Frame(kind: .answer, flags: output.flags, call: call), Payload(output.writer))
        finishIfIdle()
    }

    /// The whole call has failed, whatever is in it.
    private func answer(_ call: UInt64, with error: any Error) {
        let remote = RemoteError(kind: .undecodableArgument, error, process: getpid())
        do {
            try channel.send(Frame(kind: .answer, flags: .failed, call: call), remote)
        } catch {
            finished.resume(throwing: error)
        }
    }

    // MARK: Beginning and end

    private func setUp(_ begin: Begin) {
        channel.sharedMemoryThreshold = begin.sharedMemoryThreshold
        finalizer = begin.finalizer
        guard let initializer = begin.initializer else { return }
        runAlone(initializer) { [channel] error in
            do {
                if let error {
                    try channel.send(Frame(kind: .startFailed), error)
                } else {
                    channel.send(Frame(kind: .ready))
                }
            } catch {
                channel.shutDown()
            }
        }
    }

    private func finishIfIdle() {
        guard isFinishing, running.isEmpty else { return }
        isFinishing = true
        guard let finalizer else { return finished.resume(returning: 0) }
        self.finalizer = nil
        runAlone(finalizer) { [finished, onError] error in
            if let error { onError(error.error(of: "the finalizer", decodable: []), "finalizer") }
            finished.resume(returning: 0)
        }
    }

    private func runAlone(_ setup: Begin.Setup, _ whenDone: @escaping (RemoteError?) -> Void) {
        let writer = ByteWriter()
        writer.fixed(1 as UInt32)
        setup.job.withUnsafeBytes { writer.append($0) }
        // Initializers are always encoded, also plain ones.
        let input = JobInput(payload: Payload(writer), start: 0, isPlain: false, sharesBuild: true)
        nonisolated(unsafe) let whenDone = whenDone
        let type = types[setup.type]
        let onError = onError
        loop.makeTask {
            let output = await type.run(input, onError)
            guard output.flags.contains(.mixed) else { return whenDone(nil) }
            // Written in this process, behind the byte that says that it failed.
            whenDone(try? BinaryDecoder(output.writer.bytes, at: 1).decode(RemoteError.self))
        }
    }
}
