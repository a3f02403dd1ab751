import CSwiftlet
import Glibc
import SwiftletCoroutines
import Synchronization

/// A thread that looks at every loop a few times a second and reports one that does not turn.
///
/// While every loop sleeps it sleeps too, without a time limit; the first loop to wake up wakes it.
///
/// A loop is blocked when it works (does not sleep in its poller) and its turn counter stands still for longer than the
/// limit. The report is made once a turn, with the backtrace of what runs.
final class Watchdog: Sendable {
    static let shared = Watchdog()

    private struct Watched {
        let loop: EventLoop
        let kernelID: CInt
        var turns: UInt64 = 0
        var since: UInt64 = 0
        var isReported = false
    }

    private struct State {
        var loops: [ObjectIdentifier: Watched] = [:]
        var isRunning = false
    }

    private let state = Locked<State>(State())
    /// Looks in a row at which every loop slept.
    private let quietLooks = Atomic<Int>(0)
    private let nap = Locked<WaitToken?>(nil)

    /// To be called on the loop's own thread.
    func watch(_ loop: EventLoop) {
        swiftlet_backtrace_permit()
        let startsThread = state.withLock { state in
            state.loops[ObjectIdentifier(loop)] = unsafe Watched(
                loop: loop, kernelID: loop.thread.pointee.kernel_id, since: swiftlet_now())
            defer { state.isRunning = true }
            return !state.isRunning
        }
        loopAwakes()
        guard startsThread else { return }
        do {
            try startThread(name: "swiftlet-watch") { self.run() }
        } catch {
            state.withLock { $0.isRunning = false }
            Report(.blockedLoop, "blocked loops will not be noticed: \(error)").post()
        }
    }

    func forget(_ loop: EventLoop) {
        state.withLock { _ = $0.loops.removeValue(forKey: ObjectIdentifier(loop)) }
        loopAwakes()  // without loops its thread ends
    }

    /// All open loops, in the order of their threads.
    var loops: [EventLoop] {
        state.withLock { state in state.loops.values.sorted { $0.kernelID < $1.kernelID }.map(\.loop) }
    }

    private func run() {
        ServiceThreads.enter()
        defer { ServiceThreads.leave() }
        while true {
            var pause = timespec(tv_sec: 0, tv_nsec: 25_000_000)
            unsafe nanosleep(&pause, nil)
            let goesOn = state.withLock { state in
                if state.loops.isEmpty { state.isRunning = false }
                return state.isRunning
            }
            guard goesOn else { return }
            let isQuiet = look()
            quietLooks.store(isQuiet ? quietLooks.load(ordering: .relaxed) + 1 : 0, ordering: .relaxed)
            if quietLooks.load(ordering: .relaxed) >= 8 { takeNap() }
        }
    }

    /// Sleeps until a loop wakes up. The flag is set before the loops are looked at again, and loops look at it after
    /// they have said that they are awake: one of the two sees the other.
    private func takeNap() {
        do {
            _ = try park(.other, isShielded: true) { token in
                nap.withLock { $0 = token }
                swiftlet_watchdog_set_napping(true)
                if !look() { stir() }
            }
        } catch {
            // A shielded wait without a deadline throws nothing; looking on is right in any case.
        }
        quietLooks.store(0, ordering: .relaxed)
    }

    /// A loop has woken up.
    @inline(__always)
    func loopAwakes() {
        if swiftlet_watchdog_is_napping() { stir() }
    }

    private func stir() {
        swiftlet_watchdog_set_napping(false)
        nap.withLock { token in
            token?.wake()
            token = nil
        }
    }

    /// True when every loop sleeps, or stands outside its work.
    private func look() -> Bool {
        // The lock keeps loops from being closed while their counters are read and their thread is asked.
        let (blocked, isQuiet) = state.withLock { state -> ([Blocked], Bool) in
            var blocked: [Blocked] = []
            var isQuiet = true
            let now = swiftlet_now()
            for (key, watched) in state.loops {
                var watched = watched
                defer { state.loops[key] = watched }
                let core = unsafe watched.loop.core
                let turns = unsafe swiftlet_counter_get(&core.pointee.turns)
                let isAsleep = unsafe swiftlet_counter_get(&core.pointee.is_polling) != 0
                if !isAsleep, !watched.loop.isOnOwnStack { isQuiet = false }
                if isAsleep || turns != watched.turns || watched.loop.isOnOwnStack {
                    watched.turns = turns
                    watched.since = now
                    watched.isReported = false
                    continue
                }
                guard !watched.isReported,
                    now - watched.since > watched.loop.slowTurnNanoseconds.load(ordering: .relaxed)
                else { continue }
                watched.isReported = true
                var frames = unsafe [UnsafeMutableRawPointer?](repeating: nil, count: 40)
                var look = unsafe swiftlet_thread_look()
                let count = unsafe swiftlet_backtrace_of_work(watched.kernelID, &frames, CInt(frames.count), &look)
                unsafe blocked.append(
                    Blocked(
                        kernelID: watched.kernelID, nanoseconds: now - watched.since,
                        systemCall: nameOfSystemCall(look.system_call), frames: Array(frames.prefix(Int(count)))))
            }
            return (blocked, isQuiet)
        }
        // Finding the names takes long: without the lock, which loops need to begin and to end.
        for loop in blocked { describe(loop).post() }
        return isQuiet
    }

    @safe
    private struct Blocked {
        let kernelID: CInt
        let nanoseconds: UInt64
        /// In which it stands, if it does not compute.
        let systemCall: String?
        let frames: [UnsafeMutableRawPointer?]
    }

    private func describe(_ blocked: Blocked) -> Report {
        let lines = unsafe blocked.frames.map { unsafe "    " + describeAddress($0) }
        let cause =
            blocked.systemCall.map {
                """
                it is blocked in the system call \($0), which parks nobody. Use the library's own operation for it, \
                move it to toThread { }, or let patchAll() make libc's calls park.
                """
            } ?? "something computes without waiting. Move it to toThread { }, or call yield() in it."
        return Report(
            .blockedLoop,
            """
            the loop of thread \(blocked.kernelID) has not turned for \(blocked.nanoseconds / 1_000_000) ms: \(cause) \
            It is here:
            \(lines.joined(separator: "\n"))
            """)
    }
}

/// The function at an address of this process, for people. Where none is known, the program or library and the place in it:
/// what other tools need to find it.
func describeAddress(_ address: UnsafeMutableRawPointer?) -> String {
    var name = [CChar](repeating: 0, count: 512)
    var offset = 0
    let isFunction = unsafe swiftlet_symbol_at(address, &name, name.count, &offset)
    let isKnown = unsafe isFunction || swiftlet_object_at(address, &name, name.count, &offset)
    guard isKnown else { return unsafe address.map { unsafe "\($0)" } ?? "?" }
    let place = isFunction ? "\(offset)" : "0x\(String(offset, radix: 16))"
    return unsafe name.withUnsafeBufferPointer { unsafe "\(String(cString: $0.baseAddress!)) + \(place)" }
}
