import Glibc

/// Something that went wrong where no caller could be told: an error nobody looked at, a blocked loop, a deadlock.
///
/// Reports go to standard error unless `Report.setHandler` says otherwise.
public struct Report: Sendable, CustomStringConvertible {
    /// What kind of trouble it is. Open-ended: later versions may add kinds.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        public let description: String

        /// A fiber, task or callback failed and nobody asked for its error.
        public static let unretrievedError = Kind(description: "unretrieved error")
        /// An abandoned generator or greenlet threw something else while it was unwound.
        public static let unwindingError = Kind(description: "error while unwinding")
        /// The loop has not turned for longer than its limit.
        public static let blockedLoop = Kind(description: "blocked loop")
        /// Nothing is left that could wake anybody.
        public static let deadlock = Kind(description: "deadlock")
        /// Work came for a loop that was closed.
        public static let closedLoop = Kind(description: "closed loop")
        /// The system has no descriptors or no memory left for new connections.
        public static let shortage = Kind(description: "shortage")
        /// Two stacks wait for one side of a descriptor, on a loop that asks to be told.
        public static let sharedDescriptor = Kind(description: "shared descriptor")
        /// Servers that are needed do not answer; they are asked again.
        public static let unavailable = Kind(description: "unavailable")
        /// A callback of a loop threw an error.
        public static let callbackError = Kind(description: "error in a callback")
        /// In debug mode: a callback of a loop took too long.
        public static let slowCallback = Kind(description: "slow callback")
        /// A coroutine object was dropped without having run.
        public static let neverAwaited = Kind(description: "coroutine never awaited")
        /// A client of connections was dropped without being closed.
        public static let unclosedClient = Kind(description: "unclosed client")
        /// A task can never end, since its loop has.
        public static let pendingTask = Kind(description: "pending task destroyed")
        /// Inspection was asked for and cannot be had.
        public static let inspection = Kind(description: "inspection")
        /// Something that should have been closed was open when its loop ended.
        public static let leak = Kind(description: "leak")
        /// A handler of a connection or a request failed.
        public static let handlerError = Kind(description: "error in a handler")
        /// A server was stopped before all of its requests were answered.
        public static let cancelledRequests = Kind(description: "cancelled requests")
    }

    public let kind: Kind
    /// The whole story, with what to do about it; may have several lines.
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { "swiftlet: \(kind): \(message)" }

    private static let handler = Locked(
        SendableHandler<Report> { report in
            var line = report.description + "\n"
            line.withUTF8 { bytes in _ = unsafe write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
        })

    /// Replaces the process's handler and returns the earlier one. It may be called on any thread and must not block.
    @discardableResult
    public static func setHandler(_ new: @escaping @Sendable (Report) -> Void) -> @Sendable (Report) -> Void {
        handler.withLock { current in
            let earlier = current.call
            current = SendableHandler(new)
            return earlier
        }
    }

    // The last ones, for whoever looks at the process later.
    private static let recent = Locked<[(report: Report, time: ContinuousClock.Instant)]>([])
    private static let recentCount = 32

    /// The last reports of this process and when they were posted, oldest first.
    package static var latest: [(report: Report, time: ContinuousClock.Instant)] { recent.withLock { $0 } }

    /// Hands the report to the handler.
    public func post() {
        Report.recent.withLock { recent in
            if recent.count == Report.recentCount { recent.removeFirst() }
            recent.append((self, .now))
        }
        Report.handler.withLock { $0 }.call(self)
    }
}
