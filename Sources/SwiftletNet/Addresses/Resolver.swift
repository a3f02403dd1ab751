import SwiftletCoroutines
public import SwiftletLoop

/// Finds the addresses of hosts, and remembers them for a while.
///
/// Addresses written in numbers are taken as they are. Everything else goes through `getaddrinfo`, so through
/// `/etc/hosts`, DNS and whatever else this machine is set up for, on threads of the bounded pool of `toThread`. Who asks
/// for a host that is being looked up already waits for the same answer.
///
/// Thread rules: may be used from anywhere.
public final class Resolver: Sendable {
    /// What a resolver keeps and does at a time.
    public struct Configuration: Sendable {
        /// How long an answer is used again. The time that DNS gave it is not known: `getaddrinfo` does not tell.
        public var timeToLive: Duration = .seconds(10)
        /// How long it is remembered that there is no such host. Other failures are not remembered.
        public var negativeTimeToLive: Duration = .seconds(1)
        /// The most hosts that are remembered; the oldest go.
        public var capacity = 1000
        /// The most look-ups at a time, one a host; others wait for their turn. So a name server that does not answer leaves
        /// threads to other work.
        public var concurrentLookups = 4

        public init() {}
    }

    /// What a resolver has done.
    public struct Statistics: Sendable, Hashable {
        /// Answered from memory.
        public var hits = 0
        /// Looked up.
        public var lookups = 0
        /// Answered by the look-up that another one had begun.
        public var merged = 0
        /// Hosts that are remembered.
        public var remembered = 0
    }

    /// The resolver that is used where none is named.
    public static let shared = Resolver()

    private let configuration: Configuration
    private let lookUp: @Sendable (String) throws -> [SocketAddress]
    private let state = Locked(State())

    /// Makes a resolver with a memory of its own.
    ///
    /// - Parameters:
    ///   - configuration: what it keeps.
    ///   - lookUp: finds the addresses of a host, with any port, on a thread that it may block; by default `getaddrinfo`.
    public init(
        _ configuration: Configuration = Configuration(),
        lookUp: @escaping @Sendable (String) throws -> [SocketAddress] = { try Resolver.systemLookUp($0) }
    ) {
        self.configuration = configuration
        self.lookUp = lookUp
    }

    /// The addresses of a host, best first (the order of RFC 6724, as `getaddrinfo` gives it).
    ///
    /// Cancellation: ends the wait; the look-up goes on for others and for later.
    /// - Parameters:
    ///   - host: a name, or an address in numbers, without brackets.
    ///   - port: from 0 to 65535; every address gets it.
    ///   - deadline: when to give up.
    /// - Throws: `ResolverError`; `DeadlineExceeded`; `CancellationError`.
    public func addresses(of host: String, port: Int, until deadline: Deadline? = nil) throws -> [SocketAddress] {
        guard (0...65535).contains(port) else { throw ResolverError(host: host, reason: .invalidPort(port)) }
        if let address = SocketAddress(numericHost: host, port: port) { return [address] }
        // A zero byte would end the name early, and another host would be asked for.
        guard !host.isEmpty, !host.utf8.contains(0) else { throw ResolverError(host: host, reason: .invalidName) }
        guard let found = try answer(for: host.lowercased()).wait(.thread, until: deadline) else {
            throw DeadlineExceeded()
        }
        return found.map { $0.withPort(port) }
    }

    /// The addresses of a host, best first, from a task.
    ///
    /// Cancellation: ends the wait; the look-up goes on for others and for later.
    /// - Throws: `ResolverError`; `DeadlineExceeded`; `CancellationError`.
    public func addresses(of host: String, port: Int, until deadline: Deadline? = nil) async throws -> [SocketAddress] {
        try await parkInTask { try self.addresses(of: host, port: port, until: deadline) }
    }

    /// The addresses of a host, by the shared resolver.
    ///
    /// Cancellation: ends the wait; the look-up goes on for others and for later.
    /// - Throws: `ResolverError`; `DeadlineExceeded`; `CancellationError`.
    public static func addresses(of host: String, port: Int, until deadline: Deadline? = nil) throws -> [SocketAddress]
    {
        try shared.addresses(of: host, port: port, until: deadline)
    }

    /// The addresses of a host, by the shared resolver, from a task.
    ///
    /// Cancellation: ends the wait; the look-up goes on for others and for later.
    /// - Throws: `ResolverError`; `DeadlineExceeded`; `CancellationError`.
    public static func addresses(
        of host: String, port: Int, until deadline: Deadline? = nil
    ) async throws -> [SocketAddress] {
        try await shared.addresses(of: host, port: port, until: deadline)
    }

    /// The host's addresses are known: `addresses(of:port:)` does not look them up now.
    public func remembers(_ host: String) -> Bool {
        state.withLock { $0.answers[host.lowercased()].map { .now < $0.expires } ?? false }
    }

    /// Forgets all answers; look-ups that are under way go on.
    public func forgetAll() {
        state.withLock {
            $0.answers = [:]
            $0.order = []
        }
    }

    /// What it has done so far.
    public var statistics: Statistics {
        state.withLock {
            var statistics = $0.statistics
            statistics.remembered = $0.answers.count
            return statistics
        }
    }

    // MARK: The memory

    private struct Answer {
        let addresses: Waiter<[SocketAddress]>
        let expires: Deadline
        /// Tells it from an earlier one of the same host, whose place in `order` is still there.
        let number: Int
    }

    private struct State {
        var answers: [String: Answer] = [:]
        /// When answers came, oldest first.
        var order: [(host: String, number: Int)] = []
        var lastNumber = 0
        var underWay: [String: Waiter<[SocketAddress]>] = [:]
        var running = 0
        var queued: [String] = []
        var statistics = Statistics()
    }

    /// The answer, or the promise of one.
    private func answer(for host: String) -> Waiter<[SocketAddress]> {
        let (answer, begins) = state.withLock { state -> (Waiter<[SocketAddress]>, Bool) in
            if let known = state.answers[host], known.expires > .now {
                state.statistics.hits += 1
                return (known.addresses, false)
            }
            if let promise = state.underWay[host] {
                state.statistics.merged += 1
                return (promise, false)
            }
            let promise = Waiter<[SocketAddress]>()
            state.underWay[host] = promise
            state.statistics.lookups += 1
            guard state.running < configuration.concurrentLookups else {
                state.queued.append(host)
                return (promise, false)
            }
            state.running += 1
            return (promise, true)
        }
        if begins { begin(host) }
        return answer
    }

    private func begin(_ host: String) {
        OffloadPool.shared.submit {
            let result = Result { try self.lookUp(host) }
            let (promise, next) = self.state.withLock { self.end(host, result, &$0) }
            switch result {
            case .success(let addresses): promise?.resume(returning: addresses)
            case .failure(let error): promise?.resume(throwing: error)
            }
            if let next { self.begin(next) }
        }
    }

    private func end(
        _ host: String, _ result: Result<[SocketAddress], any Error>, _ state: inout State
    ) -> (promise: Waiter<[SocketAddress]>?, next: String?) {
        let promise = state.underWay.removeValue(forKey: host)
        var lifetime = configuration.timeToLive
        if case .failure(let error) = result {
            lifetime = (error as? ResolverError)?.isLasting ?? false ? configuration.negativeTimeToLive : .zero
        }
        if lifetime > .zero, configuration.capacity > 0, let promise {
            state.lastNumber += 1
            state.answers[host] = Answer(addresses: promise, expires: .after(lifetime), number: state.lastNumber)
            state.order.append((host, state.lastNumber))
            forgetOldest(&state)
        }
        guard !state.queued.isEmpty else {
            state.running -= 1
            return (promise, nil)
        }
        return (promise, state.queued.removeFirst())
    }

    /// Keeps to the capacity.
    private func forgetOldest(_ state: inout State) {
        while state.answers.count > configuration.capacity, let oldest = state.order.first {
            state.order.removeFirst()
            if state.answers[oldest.host]?.number == oldest.number { state.answers[oldest.host] = nil }
        }
        // Entries of answers that were replaced meanwhile.
        guard state.order.count > 2 * configuration.capacity + 16 else { return }
        let answers = state.answers
        state.order.removeAll { answers[$0.host]?.number != $0.number }
    }
}
