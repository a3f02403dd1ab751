import Glibc
import Synchronization

/// The wish to stop (Ctrl-Z, SIGTSTP), and to go on: a view gives the terminal back before, and takes it again after.
enum StopBySignal {
    private static let wanted = Atomic<Bool>(false)
    private static let continued = Atomic<Bool>(false)

    static var isWanted: Bool { wanted.load(ordering: .relaxed) }

    /// Whether the process went on after a stop since the last call: whoever stopped it may have changed the terminal.
    static func hasContinued() -> Bool { continued.exchange(false, ordering: .relaxed) }

    static func install() {
        set(SIGTSTP) { _ in StopBySignal.wanted.store(true, ordering: .relaxed) }
        set(SIGCONT) { _ in StopBySignal.continued.store(true, ordering: .relaxed) }
    }

    static func restore() {
        set(SIGTSTP, SIG_DFL)
        set(SIGCONT, SIG_DFL)
    }

    /// Stops the process as the signal does by default, which spares a process that nobody could let go on. Comes back when it
    /// goes on.
    static func stop() {
        wanted.store(false, ordering: .relaxed)
        set(SIGTSTP, SIG_DFL)
        raise(SIGTSTP)
        install()
        continued.store(true, ordering: .relaxed)  // also if it was spared
    }

    private static func set(_ number: CInt, _ handler: sighandler_t?) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        sigaction(number, &action, nil)
    }
}
