import CSwiftlet
import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// Lets the `swiftlet` command look into this process: `swiftlet ps`, `tree`, `dump`, `top`, `trace` and `web`.
///
/// ```swift
/// try Inspector.start()
/// ```
///
/// The same does the environment variable `SWIFTLET_INSPECT=1` for a program that is linked with this library, from the moment
/// its first loop is made, and `SWIFTLET_INSPECT=signal` as `startOnSignal()`.
///
/// It listens on a Unix socket that only the process's user and root can open. A thread of its own answers, and reads what
/// coroutines do without asking their loops; so it works when a loop is stuck, and stops none.
///
/// It costs some twenty looks at each loop's counters a second, the backtrace of whoever makes a descriptor, and a note of each
/// task that is suspended.
public enum Inspector {
    private struct State {
        var server: InspectionServer?
        var countsTime = false
        var signals: Set<CInt> = []
    }

    private static let state = Locked(State())

    /// Begins to listen. Does nothing if it does so already. From any thread.
    ///
    /// - Returns: the path of the socket.
    /// - Throws: `InspectorError`.
    @discardableResult
    public static func start() throws -> String {
        try state.withLock { state in
            if let server = state.server, server.isOfThisProcess { return server.path }
            let server = try InspectionServer()
            state.server = server
            return server.path
        }
    }

    /// Ends the listening, and removes the socket. Requests under way are answered.
    public static func stop() {
        let server = state.withLock { state in
            defer { state.server = nil }
            return state.server
        }
        server?.stop()
    }

    /// Whether loops count for how long each coroutine has run: two looks at the clock for each of its turns. `swiftlet top` has
    /// it counted while it watches; `swiftlet ps` and `dump` show what was counted. SWIFTLET_INSPECT=time turns it on.
    ///
    /// It is the time between the begin and the end of a coroutine's turns; when other programs have the processor meanwhile,
    /// that counts too. Of a task it is that of the job under way.
    public static var countsTime: Bool {
        get { state.withLock { $0.countsTime } }
        set {
            let isChanged = state.withLock { state in
                defer { state.countsTime = newValue }
                return state.countsTime != newValue
            }
            if isChanged { if newValue { LoopTraces.beginCounting() } else { LoopTraces.endCounting() } }
        }
    }

    /// The path of the socket while it listens.
    public static var socketPath: String? { state.withLock { $0.server?.path } }

    /// Begins to listen when the process gets a signal: `kill -USR2 PID`. It may come while a loop is stuck. The handler that
    /// was there is not called any more.
    ///
    /// - Parameter signal: SIGUSR2 by default.
    /// - Throws: `InspectorError`, `ThreadStartError`.
    public static func startOnSignal(_ signal: CInt? = nil) throws {
        let signal = signal ?? SIGUSR2
        let isNew = state.withLock { $0.signals.insert(signal).inserted }
        guard isNew else { return }
        let event = swiftlet_inspect_signal_watch(signal)
        guard event >= 0 else { throw InspectorError.cannotCatch(signal: signal) }
        try startThread(name: "swiftlet-signal") {
            ServiceThreads.enter()
            defer { ServiceThreads.leave() }
            var count: UInt64 = 0
            while true {
                guard read(event, &count, 8) == 8 else {
                    if errno == EINTR { continue }
                    return
                }
                do {
                    try start()
                } catch {
                    Report(.inspection, "\(error)").post()
                }
            }
        }
    }
}

/// Called by the loop when the first one is made and the environment asks for inspection; see `inspect.c`.
@_cdecl("swiftlet_inspect_begin")
func inspectAsEnvironmentSays(_ way: UnsafePointer<CChar>) {
    do {
        if strcmp(way, "signal") == 0 { try Inspector.startOnSignal() } else { try Inspector.start() }
        if strcmp(way, "time") == 0 { Inspector.countsTime = true }
    } catch {
        Report(.inspection, "SWIFTLET_INSPECT is set, but \(error)").post()
    }
}
