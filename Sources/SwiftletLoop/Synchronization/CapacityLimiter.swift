/// Lets a number of borrowers use something at a time, and knows who they are. trio.CapacityLimiter.
///
/// A token belongs to its borrower: the calling fiber, task or thread, or an object on whose behalf it is acquired. The
/// number of tokens may be changed at any time.
@safe
public final class CapacityLimiter: @unchecked Sendable {
    private struct State {
        var total: Int
        var borrowers: Set<Flow> = []
        /// Whose token somebody waits for.
        var waiting: Set<Flow> = []
        var queue = WaitQueue()
        var acquisitions = 0

        /// Why a borrower cannot ask for a token.
        func refusal(of flow: Flow) -> CapacityLimiterError? {
            if borrowers.contains(flow) { return .alreadyBorrowing }
            return waiting.contains(flow) ? .alreadyWaiting : nil
        }

        mutating func lend(to flow: Flow) -> Bool {
            guard borrowers.count < total else { return false }
            borrowers.insert(flow)
            waiting.remove(flow)
            acquisitions += 1
            return true
        }

        mutating func lendToWaiting(_ elsewhere: inout [WaitToken]) {
            while borrowers.count < total {
                var token: WaitToken?
                guard let next = unsafe queue.grantFirst(&token) else { return }
                _ = unsafe lend(to: next.pointee.flow)
                if let token { elsewhere.append(token) }
            }
        }
    }

    private let shared: Guarded<State>

    /// Makes a limiter with a number of tokens; a negative one counts as zero.
    public init(totalTokens: Int) { shared = Guarded(State(total: max(totalTokens, 0))) }

    deinit { shared.destroy() }

    /// How many may have a token at a time. More lets those who wait in; fewer takes nothing away from those who have one.
    public var totalTokens: Int {
        get { shared.withLock { $0.total } }
        set {
            var elsewhere: [WaitToken] = []
            shared.withLock {
                $0.total = max(newValue, 0)
                $0.lendToWaiting(&elsewhere)
            }
            elsewhere.wakeAll()
        }
    }

    /// How many have one.
    public var borrowedTokens: Int { shared.withLock { $0.borrowers.count } }

    /// How many can be had without waiting.
    public var availableTokens: Int { shared.withLock { max($0.total - $0.borrowers.count, 0) } }

    /// Acquires a token, waiting for its turn.
    ///
    /// Cancellation: ends the wait.
    /// - Parameters:
    ///   - borrower: whose token it is; the caller's by default. Held by nobody: it must live as long as it has the token.
    ///   - timeout: how long to wait at most.
    /// - Throws: `CapacityLimiterError.alreadyBorrowing`, `.alreadyWaiting`; `DeadlineExceeded` after `timeout`; `CancellationError`.
    public func acquire(onBehalfOf borrower: AnyObject? = nil, timeout: Duration? = nil) throws {
        try acquire(Self.flow(of: borrower), until: timeout.map { .after($0) })
    }

    /// Acquires a token, from a task.
    ///
    /// Cancellation: ends the wait.
    public func acquire(
        onBehalfOf borrower: (any AnyObject & Sendable)? = nil, timeout: Duration? = nil
    ) async throws {
        let flow = Self.flow(of: borrower)
        let deadline = timeout.map { Deadline.after($0) }
        try await parkInTask { try self.acquire(flow, until: deadline) }
    }

    /// Acquires a token if that needs no waiting.
    public func tryAcquire(onBehalfOf borrower: AnyObject? = nil) -> Bool {
        let flow = Self.flow(of: borrower)
        return shared.withLock { $0.refusal(of: flow) == nil && $0.lend(to: flow) }
    }

    /// Gives a token back, to the first that waits.
    ///
    /// - Throws: `CapacityLimiterError.notBorrowing`.
    public func release(onBehalfOf borrower: AnyObject? = nil) throws(CapacityLimiterError) {
        let flow = Self.flow(of: borrower)
        var elsewhere: [WaitToken] = []
        let wasBorrowing = shared.withLock { state in
            guard state.borrowers.remove(flow) != nil else { return false }
            state.lendToWaiting(&elsewhere)
            return true
        }
        elsewhere.wakeAll()
        if !wasBorrowing { throw .notBorrowing }
    }

    /// Runs the body with a token, which is given back however the body ends.
    ///
    /// Cancellation: ends the wait for the token.
    public func withToken<Value>(timeout: Duration? = nil, _ body: () throws -> Value) throws -> Value {
        try acquire(timeout: timeout)
        let result = Result { try body() }
        try release()
        return try result.get()
    }

    /// Runs the async body with a token, which is given back however the body ends.
    ///
    /// Cancellation: ends the wait for the token.
    public func withToken<Value>(timeout: Duration? = nil, _ body: () async throws -> Value) async throws -> Value {
        try await acquire(timeout: timeout)
        let value: Value
        do {
            value = try await body()
        } catch {
            try release()
            throw error
        }
        try release()
        return value
    }

    /// Runs the body with a token, from a task. Spelled out, because with a synchronous body the synchronous form would be
    /// chosen in a task too.
    public func withToken<Value>(timeout: Duration? = nil, _ body: () throws -> Value) async throws -> Value {
        try await withToken(timeout: timeout) { () async throws -> Value in try body() }
    }

    private static func flow(of borrower: AnyObject?) -> Flow {
        guard let borrower else { return .current }
        return Flow(bearer: UInt(bitPattern: ObjectIdentifier(borrower)), run: .max - 1)
    }

    private func acquire(_ flow: Flow, until deadline: Deadline?) throws {
        shared.lock()
        if let refusal = shared.state.refusal(of: flow) {
            shared.unlock()
            throw refusal
        }
        if shared.state.lend(to: flow) { return shared.unlock() }
        var node = WaitNode(flow)
        var refusal: CapacityLimiterError?
        let isMine = try unsafe withUnsafeMutablePointer(to: &node) { node in
            try unsafe waitInLine(
                .semaphore, shared.spin, node, until: deadline,
                attempt: {
                    // The lock was let go: the same borrower may have come by another way.
                    refusal = shared.state.refusal(of: flow)
                    return refusal != nil || shared.state.lend(to: flow)
                },
                enqueue: {
                    shared.state.waiting.insert(flow)
                    unsafe shared.state.queue.append(node)
                },
                leave: {
                    shared.state.waiting.remove(flow)
                    unsafe shared.state.queue.remove(node)
                })
        }
        if let refusal { throw refusal }
        guard isMine else { throw DeadlineExceeded() }
    }

    /// Who waits and how often tokens were had. `holders` are those who have one.
    public var statistics: SynchronizationStatistics {
        shared.withLock {
            SynchronizationStatistics(
                waiting: $0.queue.count, holders: $0.borrowers.count, acquisitions: $0.acquisitions,
                waits: $0.queue.waits)
        }
    }
}

/// A limiter was used in a way that can only be a mistake.
public enum CapacityLimiterError: Error, Hashable, CustomStringConvertible {
    /// The borrower has a token already.
    case alreadyBorrowing
    /// Somebody waits for a token for the borrower already.
    case alreadyWaiting
    /// The borrower has no token.
    case notBorrowing

    public var description: String {
        switch self {
        case .alreadyBorrowing:
            """
            this borrower has a token of the limiter already: acquire(onBehalfOf:) with an object of its own for each \
            token, or use a Semaphore
            """
        case .alreadyWaiting:
            """
            somebody waits for a token for this borrower already: acquire(onBehalfOf:) with an object of its own for each \
            token, or use a Semaphore
            """
        case .notBorrowing:
            "this borrower has no token of the limiter: release by whom, or on whose behalf, it was acquired"
        }
    }
}
