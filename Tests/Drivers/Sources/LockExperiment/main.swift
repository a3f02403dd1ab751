// The experiment behind the article's chapter about locks: what becomes of a lock that a fiber holds while it is parked, with and
// without the family `.threads`, and what that family costs. Each case in a process of its own, since some of them hang.
//
//     swift run -c release --package-path Tests/Drivers LockExperiment
import Dispatch
import Glibc
import Swiftlet
import SwiftletInterpose
import Synchronization

/// Two fibers of one thread, of which the first holds something for 50 ms while it is parked.
func contend(_ lock: @escaping () -> Void, _ unlock: @escaping () -> Void) throws {
    try inTwoFibers {
        lock()
        usleep(50_000)
        unlock()
    }
}

func inTwoFibers(_ body: @escaping () -> Void) throws {
    try EventLoop.run(takesOver: false) {
        let fibers = (0..<2).map { _ in spawn { body() } }
        try joinAll(fibers, rethrowing: true)
    }
}

func makeMutex(_ kind: Int) -> UnsafeMutablePointer<pthread_mutex_t> {
    let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    var attributes = pthread_mutexattr_t()
    pthread_mutexattr_init(&attributes)
    pthread_mutexattr_settype(&attributes, CInt(kind))
    pthread_mutex_init(mutex, &attributes)
    return mutex
}

let cases: [(name: String, body: @Sendable () throws -> Void)] = [
    (
        "pthread mutex",
        {
            nonisolated(unsafe) let mutex = makeMutex(0)
            try contend({ pthread_mutex_lock(mutex) }, { pthread_mutex_unlock(mutex) })
        }
    ),
    (
        "recursive pthread mutex, never held by two fibers",
        {
            nonisolated(unsafe) let mutex = makeMutex(1)
            nonisolated(unsafe) var holders = 0
            try contend(
                {
                    pthread_mutex_lock(mutex)
                    holders += 1
                    if holders > 1 { exit(3) }
                },
                {
                    holders -= 1
                    pthread_mutex_unlock(mutex)
                })
        }
    ),
    (
        "condition variable, signalled by another fiber",
        {
            nonisolated(unsafe) let mutex = makeMutex(0)
            nonisolated(unsafe) let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
            pthread_cond_init(condition, nil)
            nonisolated(unsafe) var isThere = false
            try EventLoop.run(takesOver: false) {
                let waiter = spawn {
                    pthread_mutex_lock(mutex)
                    while !isThere { pthread_cond_wait(condition, mutex) }
                    pthread_mutex_unlock(mutex)
                }
                usleep(10_000)
                pthread_mutex_lock(mutex)
                isThere = true
                pthread_cond_signal(condition)
                pthread_mutex_unlock(mutex)
                try waiter.get()
            }
        }
    ),
    (
        "two mutexes, taken in opposite orders",
        {
            nonisolated(unsafe) let mutexes = (makeMutex(0), makeMutex(0))
            try EventLoop.run(takesOver: false) {
                let fibers = [(mutexes.0, mutexes.1), (mutexes.1, mutexes.0)].map { first, second in
                    spawn {
                        pthread_mutex_lock(first)
                        usleep(10_000)
                        pthread_mutex_lock(second)
                        pthread_mutex_unlock(second)
                        pthread_mutex_unlock(first)
                    }
                }
                try joinAll(fibers, rethrowing: true)
            }
        }
    ),
    (
        "Swift's Mutex",
        {
            let shared = Shared()
            try inTwoFibers { shared.mutex.withLock { _ in _ = usleep(50_000) } }
        }
    ),
    (
        "DispatchSemaphore",
        {
            let semaphore = DispatchSemaphore(value: 1)
            try contend({ semaphore.wait() }, { semaphore.signal() })
        }
    ),
    (
        "pthread read-write lock",
        {
            nonisolated(unsafe) let lock = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)
            pthread_rwlock_init(lock, nil)
            try contend(
                { if pthread_rwlock_wrlock(lock) == EDEADLK { exit(4) } }, { pthread_rwlock_unlock(lock) })
        }
    ),
]

final class Shared: Sendable {
    let mutex = Mutex(())
}

func run(_ index: Int, with options: PatchOptions) -> String {
    let child = fork()
    if child == 0 {
        alarm(4)
        signal(SIGILL, SIG_DFL)  // no backtrace of Swift's own
        patchAll(options)
        Report.setHandler { report in
            let first = report.message.split(separator: "\n").first.map(String.init) ?? ""
            print("    reported:", first.prefix(150))
            fflush(nil)
        }
        do {
            let time = try ContinuousClock().measure { try cases[index].body() }
            print("    took \(time)")
        } catch {
            print("    failed: \(error)")
        }
        fflush(nil)
        _exit(0)
    }
    var status: CInt = 0
    waitpid(child, &status, 0)
    if status & 0x7f == SIGALRM { return "hangs: ended after 4 s" }
    if status & 0x7f != 0 { return "ended by signal \(status & 0x7f)" }
    switch status >> 8 {
    case 0: return "done"
    case 3: return "wrong: two fibers hold it"
    case 4: return "the lock answers EDEADLK"
    default: return "ended with \(status >> 8)"
    }
}

func nanoseconds(_ rounds: Int, _ body: () -> Void) -> Double {
    var best = Double.infinity
    for _ in 0..<50 {
        let time = ContinuousClock().measure { for _ in 0..<rounds { body() } }
        best = min(best, Double(time.components.attoseconds) / 1e9 / Double(rounds))
    }
    return best
}

func printCosts() throws {
    nonisolated(unsafe) let mutex = makeMutex(0)
    let pair = {
        pthread_mutex_lock(mutex)
        pthread_mutex_unlock(mutex)
    }
    for (name, options) in [("nothing patched", PatchOptions()), ("patched", .all)] {
        patchAll(options)
        let plain = nanoseconds(10_000, pair)
        let fiber = try EventLoop.run(takesOver: false) { nanoseconds(10_000, pair) }
        print(
            "lock and unlock, \(name): \((plain * 10).rounded() / 10) ns on a thread, \((fiber * 10).rounded() / 10) ns in a fiber"
        )
    }
}

for (name, options) in [("without .threads", PatchOptions.all.subtracting(.threads)), ("with .threads", .all)] {
    print(name)
    for index in cases.indices {
        print("  \(cases[index].name)")
        fflush(nil)
        print("  -> \(run(index, with: options))")
    }
}
try printCosts()
