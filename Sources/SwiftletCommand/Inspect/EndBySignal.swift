import Glibc
import Synchronization

/// The wish to end, by a signal: a view or recording ends in its own time, and leaves everything in order.
enum EndBySignal {
    private static let wanted = Atomic<Bool>(false)

    static var isWanted: Bool { wanted.load(ordering: .relaxed) }

    /// The wish was heeded: another one is about what is done now.
    static func forget() { wanted.store(false, ordering: .relaxed) }

    /// Answers what to restore.
    static func install() -> [(CInt, sigaction)] {
        [SIGINT, SIGTERM, SIGHUP].map { number in
            var action = sigaction()
            var previous = sigaction()
            action.__sigaction_handler.sa_handler = { _ in EndBySignal.wanted.store(true, ordering: .relaxed) }
            sigaction(number, &action, &previous)
            return (number, previous)
        }
    }

    static func restore(_ actions: [(CInt, sigaction)]) {
        for (number, action) in actions {
            var action = action
            sigaction(number, &action, nil)
        }
    }
}
