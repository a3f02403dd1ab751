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
        let descriptor: CInt

        init?() {
            guard Listener.isUnhandled else { return nil }
            descriptor = swiftlet_signal_listen(SIGINT, true)
            if descriptor < 0 { return nil }
        }

        deinit { if descriptor >= 0 { swiftlet_signal_forget(SIGINT, descriptor) } }

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
                defer { notifyClosing(listener.descriptor) }
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

    /// Gives the signal back.
    func end() {
        engine.enter { [self] in
            fiber?.cancel()
            fiber = nil
        }
    }
}
