import CSwiftlet
import Glibc
import SwiftletCoroutines
public import SwiftletLoop

/// A child process, inside `withSubprocess`.
///
/// It is watched by a descriptor of its own (pidfd): a wait parks only the caller, signals reach this process and no later one
/// of the same number, and nobody else's `SIGCHLD` handler is in the way.
///
/// States: running -> ended. Who first sees the end takes the process off the kernel's list.
///
/// Thread rules: may be used from anywhere; its streams by one reader or writer each.
public final class Subprocess: @unchecked Sendable {
    /// The kernel's number of the process. After its end it may be another's.
    public let id: CInt
    /// What was started, as it was named.
    public let executable: String
    /// Writes to its standard input, if that is a pipe.
    public let standardInput: PipeWriter?
    /// Reads from its standard output, if that is a pipe.
    public let standardOutput: PipeReader?
    /// Reads from its standard error, if that is a pipe.
    public let standardError: PipeReader?
    private let descriptor: Descriptor
    private let leadsGroup: Bool
    private let ended = Locked<ExitStatus?>(nil)
    /// What is left of its group ends with it.
    private let endsGroup = Locked(false)

    init(_ command: Command, id: CInt, descriptor: CInt, streams: ChildStreams) {
        self.id = id
        executable = command.executable
        leadsGroup = command.leadsGroup
        self.descriptor = Descriptor(owning: descriptor)
        standardInput = streams.input
        standardOutput = streams.output
        standardError = streams.error
    }

    /// Never without an end: else it would stay on the kernel's list.
    deinit {
        guard exitStatus == nil else { return }
        signalNow(SIGKILL)
        do {
            _ = try takeEnd(waits: true)
        } catch {
            // Somebody else's wait for any child has taken it.
        }
    }

    // MARK: Its end

    /// How it has ended, once somebody has waited for that; `nil` before.
    public var exitStatus: ExitStatus? { ended.withLock { $0 } }

    /// Waits until it has ended. Several may wait, on one loop.
    ///
    /// Cancellation: ends the wait, not the process.
    /// - Returns: how it ended; `nil` when the deadline came first.
    /// - Throws: `SubprocessError`; `CancellationError`.
    public func wait(until deadline: Deadline) throws -> ExitStatus? {
        do {
            return try waitForEnd(until: deadline)
        } catch is DeadlineExceeded {
            return nil
        }
    }

    /// Waits until it has ended. Several may wait, on one loop.
    ///
    /// Cancellation: ends the wait, not the process.
    /// - Throws: `SubprocessError`; `CancellationError`.
    @discardableResult
    public func wait() throws -> ExitStatus { try waitForEnd(until: nil) }

    /// Waits until it has ended, from a task; `nil` when the deadline came first.
    ///
    /// Cancellation: ends the wait, not the process.
    /// - Throws: `SubprocessError`; `CancellationError`.
    public func wait(until deadline: Deadline) async throws -> ExitStatus? {
        try await parkInTask { try self.wait(until: deadline) }
    }

    /// Waits until it has ended, from a task.
    ///
    /// Cancellation: ends the wait, not the process.
    /// - Throws: `SubprocessError`; `CancellationError`.
    @discardableResult
    public func wait() async throws -> ExitStatus { try await parkInTask { try self.wait() } }

    private func waitForEnd(until deadline: Deadline?) throws -> ExitStatus {
        do {
            while true {
                if let status = try takeEnd(waits: false) { return status }
                // The end makes the descriptor readable (pidfd_open(2)), for good.
                try descriptor.refused(.reading, until: deadline)
                try descriptor.waitUnlessReady(.reading, until: deadline)
            }
        } catch let error as DescriptorError {
            throw SubprocessError(executable, .system(errno: error.errno))
        }
    }

    /// The end, if it has come.
    private func takeEnd(waits: Bool) throws -> ExitStatus? {
        try ended.withLock { ended in
            if let ended { return ended }
            var (code, isSignal): (CInt, Bool) = (0, false)
            if endsGroup.withLock({ $0 }), swiftlet_process_has_ended(descriptor.number) {
                // As long as its end is not taken, the group's number cannot be another's.
                _ = swiftlet_process_signal_group(id, SIGKILL)
            }
            let status = swiftlet_process_take_end(descriptor.number, waits, &code, &isSignal)
            guard status >= 0 else { throw SubprocessError(executable, .system(errno: -status)) }
            if status == 1 { ended = isSignal ? .signalled(code) : .exited(code: code) }
            return ended
        }
    }

    // MARK: Ending it

    /// Sends it a signal, such as `SIGTERM`; with `leadsGroup`, to its whole group. Does nothing once it has ended.
    ///
    /// - Throws: `SubprocessError`.
    public func send(_ signal: CInt) throws {
        let status = signalNow(signal)
        guard status == 0 || status == -ESRCH else { throw SubprocessError(executable, .system(errno: -status)) }
    }

    @discardableResult
    private func signalNow(_ signal: CInt) -> CInt {
        // Under the lock: whose end nobody has taken keeps its number.
        ended.withLock { ended in
            if ended != nil { return 0 }
            return leadsGroup
                ? swiftlet_process_signal_group(id, signal) : swiftlet_process_signal(descriptor.number, signal)
        }
    }

    /// Asks it to end (`SIGTERM`), and makes it end (`SIGKILL`) if it has not after a while. Returns when it has ended.
    ///
    /// Cancellation: makes it end at once, and throws when it has.
    /// - Returns: how it ended.
    /// - Throws: `SubprocessError`; `CancellationError`.
    @discardableResult
    public func terminate(grace: Duration = .seconds(5)) throws -> ExitStatus {
        endsGroup.withLock { $0 = leadsGroup }
        do {
            try send(SIGTERM)
            if let status = try wait(until: .after(grace)) { return status }
        } catch {
            try kill()
            throw error
        }
        return try kill()
    }

    /// Asks it to end, and makes it end if it has not after a while, from a task.
    ///
    /// Cancellation: makes it end at once, and throws when it has.
    /// - Throws: `SubprocessError`; `CancellationError`.
    @discardableResult
    public func terminate(grace: Duration = .seconds(5)) async throws -> ExitStatus {
        try await parkInTask { try self.terminate(grace: grace) }
    }

    /// Makes it end (`SIGKILL`) and waits for that, which nothing can hold up.
    @discardableResult
    private func kill() throws -> ExitStatus {
        try send(SIGKILL)
        return try shielded { try waitForEnd(until: nil) }
    }

    func closeStreams() {
        standardInput?.close()
        standardOutput?.close()
        standardError?.close()
    }
}
