import SwiftletLoop

/// Connects to whichever of several addresses accepts first: "happy eyeballs" (RFC 8305).
enum ConnectRace {
    /// How long an attempt runs alone before the next one begins (RFC 8305, section 5).
    static let stagger = Duration.milliseconds(250)

    /// The kinds of addresses in turn, beginning with that of the best one; otherwise in their order (section 4).
    static func order(_ addresses: [SocketAddress]) -> [SocketAddress] {
        let preferred = addresses.filter { $0.family == addresses.first?.family }
        let others = addresses.filter { $0.family != addresses.first?.family }
        return (0..<max(preferred.count, others.count)).flatMap { place in
            [preferred, others].compactMap { $0.indices.contains(place) ? $0[place] : nil }
        }
    }

    /// Runs attempts until one succeeds: the next one when one has failed, or has taken longer than `stagger`. The others are
    /// cancelled, and have ended when this returns.
    ///
    /// - Throws: the error of the last attempt; with `throwsAllErrors` that of each.
    static func run<Connection: StreamSocket>(
        _ addresses: [SocketAddress], staggeredBy stagger: Duration = stagger, throwsAllErrors: Bool = false,
        _ connect: @escaping @Sendable (SocketAddress) throws -> Connection
    ) throws -> Connection {
        try onAnyLoop {
            var attempts: [Fiber<Result<Connection, any Error>>] = []
            let someEnded = Event()
            defer { end(attempts) }
            while true {
                if let address = addresses.dropFirst(attempts.count).first {
                    attempts.append(
                        spawn(name: "connect to \(address)") {
                            defer { someEnded.set() }
                            return Result { try connect(address) }
                        })
                }
                _ = try someEnded.wait(timeout: attempts.count < addresses.count ? stagger : nil)
                someEnded.clear()
                if let place = attempts.firstIndex(where: { $0.value?.isSuccess ?? false }) {
                    return try attempts.remove(at: place).get().get()
                }
                if attempts.count == addresses.count, attempts.allSatisfy(\.isFinished) {
                    if throwsAllErrors { throw ConnectFailures(errors: attempts.compactMap { $0.value?.failure }) }
                    return try attempts[attempts.count - 1].get().get()
                }
            }
        }
    }

    private static func end<Connection: StreamSocket>(_ attempts: [Fiber<Result<Connection, any Error>>]) {
        for attempt in attempts { attempt.cancel() }
        do {
            _ = try shielded { try joinAll(attempts) }
        } catch {
            // Cannot come: cancelled waits end. What is connected would be closed with its last reference.
        }
        // Who came in second place meanwhile.
        for case .success(let connection)? in attempts.map(\.value) { connection.close() }
    }
}

extension Result {
    fileprivate var isSuccess: Bool {
        if case .success = self { true } else { false }
    }

    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}

/// Runs code that needs fibers of its own: on the caller's loop; for a plain thread in a fiber of the shared loop.
func onAnyLoop<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
    if EventLoop.currentIfAny != nil { return try body() }
    let fiber = try EventLoop.sharedLoop().spawn(body)
    do {
        return try fiber.get()
    } catch {
        fiber.cancel()
        throw error
    }
}
