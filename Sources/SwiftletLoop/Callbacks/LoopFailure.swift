public import SwiftletCoroutines

/// An error that a loop met where no caller could be told: the context of asyncio's exception handlers.
public struct LoopFailure: Sendable, CustomStringConvertible {
    public let kind: Report.Kind
    /// What happened.
    public let message: String
    /// Whom it happened to: `future: <Task finished …>`, `handle: <Handle …>`.
    public let subject: String?
    public let error: (any Error)?

    public init(_ kind: Report.Kind, _ message: String, subject: String? = nil, error: (any Error)? = nil) {
        self.kind = kind
        self.message = message
        self.subject = subject
        self.error = error
    }

    public var description: String {
        [message, subject, error.map { "error: \($0)" }].compactMap { $0 }.joined(separator: "\n")
    }
}

extension EventLoop {
    /// Hears of errors that no caller could be told; `nil`, the default, lets them be reported.
    ///
    /// It may be called on any thread: a failed task can be freed anywhere. asyncio's `set_exception_handler`.
    public var exceptionHandler: (@Sendable (LoopFailure) -> Void)? {
        get { failureHandler.withLock { $0 }?.call }
        set { failureHandler.withLock { $0 = newValue.map { SendableHandler($0) } } }
    }

    /// Hands a failure to the exception handler, or to the default one. From any thread.
    public func callExceptionHandler(_ failure: LoopFailure) {
        if let handler = exceptionHandler { return handler(failure) }
        defaultExceptionHandler(failure)
    }

    /// Posts the failure as a `Report`: for handlers that deal with a part of the failures only.
    public func defaultExceptionHandler(_ failure: LoopFailure) {
        Report(failure.kind, failure.description).post()
    }
}
