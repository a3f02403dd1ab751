import CSwiftlet
import Glibc
import SwiftletLoop

/// Ends the program in good order at Ctrl-C, if nobody has said what should happen then: the workers are killed, one line says
/// so, and the process ends by the signal, as its starter expects. A second Ctrl-C ends it at once.
final class InterruptWatch: @unchecked Sendable {
    private let engine: PoolEngine
    private var fiber: AnyFiber?  // on the pool's loop

    /// Listens as long as it lives, also if the fiber that holds it never runs.
    private final class Listener: @unchecked Sendable {
        private(set) var descriptor: CInt

        init?() {
            guard Listener.isUnhandled else { return nil }
            descriptor = swiftlet_signal_listen(SIGINT, true)
            if descriptor < 0 { return nil }
        }

        deinit { forget() }

        func forget() {
            if descriptor >= 0 { swiftlet_signal_forget(SIGINT, descriptor) }
            descriptor = -1
        }

        /// Nobody listens to the signal, not even this library.
        private static var isUnhandled: Bool {
            var action = sigaction()
            guard sigaction(SIGINT, nil, &action) == 0 else { return false }
            return action.sa_flags & SA_SIGINFO == 0 && action.__sigaction_handler.sa_handler == nil
        }
    }

    init?(_ pool: ProcessPool) {
        guard let listener = Listener() else { return nil }
        engine = pool.engine
        engine.enter { [self, engine] in
            fiber = engine.loop.spawn(name: "Ctrl-C for a process pool") {
                defer {
                    notifyClosing(listener.descriptor)
                    listener.forget()
                }
                guard try waitUntilReady(listener.descriptor, for: .reading) else { return }
                let count = engine.workers.count
                engine.terminate()
                let line = "interrupted: \(count) worker processes were ended\n"
                _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
                signal(SIGINT, SIG_DFL)
                raise(SIGINT)
            }
        }
    }

    /// Gives the signal back; then nothing is left of the watch. Waits a moment for the pool's loop.
    func end() {
        let ended = Waiter<Void>()
        let isEntered = engine.enter { [self] in
            guard let fiber else { return ended.resume(returning: ()) }
            fiber.rawLink { _ in ended.resume(returning: ()) }
            fiber.cancel()
            self.fiber = nil
        }
        // A closed loop has ended the fiber itself. Behind a shield nothing ends the wait.
        if isEntered { shielded { _ = try? ended.wait() } }
    }
}
