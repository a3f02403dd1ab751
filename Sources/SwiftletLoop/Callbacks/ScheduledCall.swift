import CSwiftlet
import SwiftletCoroutines

/// A call that a loop has been asked for: what `Handle` and `TimerHandle` stand for.
///
/// States: pending -> running -> done, or pending -> cancelled. The closure is freed at the end of the first. An object whose
/// last reference is the loop's own serves a later call: to make one and to free it costs as much as all the rest.
/// Only the loop's thread touches it.
@safe
class ScheduledCall: Callback, @unchecked Sendable {
    /// Not counted: a loop is kept for ever.
    private final let owner: Unmanaged<EventLoop>
    final var loop: EventLoop { unsafe owner.takeUnretainedValue() }
    private final var file: UnsafePointer<UInt8>
    private final var line: UInt32
    @exclusivity(unchecked) private(set) final var isCancelled = false
    /// Nanoseconds of the loop's clock; 0 for a call as soon as possible.
    private(set) final var deadline: UInt64
    @exclusivity(unchecked) private final var body: (() throws -> Void)?

    init(
        _ body: @escaping () throws -> Void, on loop: EventLoop, at deadline: UInt64, file: StaticString, line: UInt32
    ) {
        unsafe owner = unsafe Unmanaged.passUnretained(loop)
        unsafe self.body = body
        self.deadline = deadline
        unsafe self.file = unsafe file.utf8Start
        self.line = line
    }

    /// The same object for another call. Nobody else may hold it.
    final func begin(_ body: @escaping () throws -> Void, at deadline: UInt64, file: StaticString, line: UInt32) {
        unsafe self.body = body
        unsafe isCancelled = false
        self.deadline = deadline
        unsafe self.file = unsafe file.utf8Start
        self.line = line
    }

    override var isReusable: Bool { true }

    override func run() {
        guard let body = unsafe body.take() else { return }
        let begin = loop.configuration.isDebug ? swiftlet_now() : 0
        do {
            try body()
        } catch {
            loop.callExceptionHandler(
                LoopFailure(.callbackError, "Exception in callback", subject: "handle: \(self)", error: error))
        }
        if begin > 0 { reportIfSlow(since: begin) }
    }

    override var isObsolete: Bool { unsafe isCancelled }

    func cancel() {
        guard unsafe body != nil, unsafe !isCancelled else { return }
        unsafe isCancelled = true
        unsafe body = nil
        if deadline > 0 { unsafe owner._withUnsafeGuaranteedRef { $0.timerIsStale() } }
    }

    private final func reportIfSlow(since begin: UInt64) {
        let taken = swiftlet_now() - begin
        guard taken > loop.configuration.slowCallbackLimit.nanosecondsClamped else { return }
        Report(
            .slowCallback,
            "Executing \(self) took \(Double(taken / 1_000_000) / 1000) seconds: move it to toThread { }, or split it"
        ).post()
    }

    final var origin: String { unsafe "\(String(cString: file)):\(line)" }

    final var description: String {
        let kind = deadline > 0 ? "TimerHandle" : "Handle"
        return unsafe "<\(kind)\(isCancelled ? " cancelled" : "") created at \(origin)>"
    }
}

extension ScheduledCall: CustomStringConvertible {}

/// A call that stands for all with its key until its turn has come.
@safe
final class CollapsedCall: ScheduledCall, @unchecked Sendable {
    private let key: SendableKey

    init(
        _ key: SendableKey, _ body: @escaping () throws -> Void, on loop: EventLoop, file: StaticString, line: UInt32
    ) {
        self.key = key
        super.init(body, on: loop, at: 0, file: file, line: line)
    }

    override var isReusable: Bool { false }

    override func run() {
        if unsafe !isCancelled { forgetKey() }
        super.run()
    }

    /// From now on it stands for nobody: the next one with its key is made.
    override func cancel() {
        let wasCancelled = unsafe isCancelled
        super.cancel()
        if unsafe isCancelled, !wasCancelled { forgetKey() }
    }

    private func forgetKey() { loop.pendingKeys.withLock { _ = $0.remove(key) } }
}

/// A call that a loop will make, and that can be called off.
public struct Handle: Sendable, CustomStringConvertible {
    let call: ScheduledCall

    /// Calls it off: the closure never runs, and is freed. Does nothing once it has begun. From any thread.
    public func cancel() { call.cancelFromAnywhere() }

    /// It was called off. To be asked on the loop's thread.
    public var isCancelled: Bool { unsafe call.isCancelled }

    public var description: String { call.description }
}

/// A call that a loop will make at some time, and that can be called off.
public struct TimerHandle: Sendable, CustomStringConvertible {
    let call: ScheduledCall

    /// Calls it off: the closure never runs, and is freed. Does nothing once it has begun. From any thread.
    public func cancel() { call.cancelFromAnywhere() }

    /// It was called off. To be asked on the loop's thread.
    public var isCancelled: Bool { unsafe call.isCancelled }

    /// When the call is due.
    public var when: Deadline { Deadline(nanoseconds: call.deadline) }

    public var description: String { call.description }
}

extension ScheduledCall {
    fileprivate func cancelFromAnywhere() {
        if unsafe owner._withUnsafeGuaranteedRef({ $0.isCurrent }) { return cancel() }
        loop.perform { self.cancel() }
    }
}
