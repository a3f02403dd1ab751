import CInterposeTestSupport
import Glibc
import Swiftlet
import SwiftletInterpose
import Synchronization
import TestSupport
import Testing

extension InterposeTests {
    struct ThreadTests {
        /// A mutex held across a park: without `.threads` the next one who wants it would block the thread for ever.
        @Test(arguments: Runner.allCases, [CInt(0), 1])
        func aMutexHeldAcrossAParkKeepsOthersOut(_ runner: Runner, _ kind: CInt) async throws {
            nonisolated(unsafe) let mutex = make_mutex(kind)!.assumingMemoryBound(to: pthread_mutex_t.self)
            let journal = SharedJournal<String>()
            @Sendable func body(_ name: String) {
                pthread_mutex_lock(mutex)
                journal.note(name)
                usleep(5000)
                journal.note(name)
                pthread_mutex_unlock(mutex)
            }
            try await together(runner, [{ body("a") }, { body("b") }, { body("c") }])
            #expect(journal.entries == ["a", "a", "b", "b", "c", "c"])
            free_mutex(mutex)
        }

        @Test func aRecursiveMutexLetsItsOwnerInAgain() async throws {
            nonisolated(unsafe) let mutex = make_mutex(1)!.assumingMemoryBound(to: pthread_mutex_t.self)
            let journal = SharedJournal<String>()
            try await together(
                .fiber,
                [
                    {
                        pthread_mutex_lock(mutex)
                        usleep(2000)
                        pthread_mutex_lock(mutex)
                        journal.note("twice")
                        pthread_mutex_unlock(mutex)
                        usleep(2000)
                        journal.note("still")
                        pthread_mutex_unlock(mutex)
                    },
                    {
                        #expect(pthread_mutex_trylock(mutex) == EBUSY)
                        pthread_mutex_lock(mutex)
                        journal.note("other")
                        pthread_mutex_unlock(mutex)
                    },
                ])
            #expect(journal.entries == ["twice", "still", "other"])
            free_mutex(mutex)
        }

        @Test func aConditionIsSignalledByAFiberOfTheSameThread() async throws {
            nonisolated(unsafe) let mutex = make_mutex(0)!.assumingMemoryBound(to: pthread_mutex_t.self)
            nonisolated(unsafe) let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
            pthread_cond_init(condition, nil)
            let items = Tally()
            let taken = Tally()
            let consumer: @Sendable () throws -> Void = {
                pthread_mutex_lock(mutex)
                while items.count <= taken.count { pthread_cond_wait(condition, mutex) }
                taken.add()
                pthread_mutex_unlock(mutex)
            }
            let producer: @Sendable () throws -> Void = {
                for _ in 0..<2 {
                    usleep(1000)
                    pthread_mutex_lock(mutex)
                    items.add()
                    pthread_cond_signal(condition)
                    pthread_mutex_unlock(mutex)
                }
            }
            try await together(.fiber, [consumer, consumer, producer])
            #expect(taken.count == 2)
            pthread_cond_destroy(condition)
            condition.deallocate()
            free_mutex(mutex)
        }

        @Test func aWaitForAHolderThatStaysParkedIsReported() async throws {
            _ = report
            ReportLog.begin()
            nonisolated(unsafe) let first = make_mutex(0)!.assumingMemoryBound(to: pthread_mutex_t.self)
            try await onLoop {
                let holder = try spawnAndPark {
                    pthread_mutex_lock(first)
                    usleep(1_300_000)
                    pthread_mutex_unlock(first)
                }
                let waiter = spawn {
                    pthread_mutex_lock(first)
                    pthread_mutex_unlock(first)
                }
                try joinAll([holder, waiter])
            }
            let address = "\(UnsafeRawPointer(first))".drop { $0 == "0" || $0 == "x" }
            #expect(ReportLog.reports(containing: String(address)).count == 1)
            free_mutex(first)
        }

        private final class Guarded: Sendable {
            let mutex = Mutex(0)
        }

        /// Swift's own lock waits in the kernel, which knows that this thread has it: no hang, but an end with a reason.
        @Test func aSwiftMutexHeldAcrossAParkEndsTheProgram() async throws {
            let result = try await #require(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = report
                signal(SIGILL, SIG_DFL)  // no backtrace, which takes long
                signal(SIGTRAP, SIG_DFL)
                let guarded = Guarded()
                try await onLoop {
                    let fibers = (0..<2).map { _ in
                        spawn { guarded.mutex.withLock { _ in _ = usleep(20_000) } }
                    }
                    try joinAll(fibers, rethrowing: true)
                }
            }
            let text = String(decoding: result.standardErrorContent, as: UTF8.self)
            #expect(text.contains("Recursive call to lock Mutex"))
        }

        @Test func threadsThatHammerTheSameCallsNoticeNothing() async throws {
            _ = report
            try await onFreshThread {
                let hammer = start_hammering(4)
                try EventLoop.run(takesOver: false) {
                    let fibers = (0..<50).map { _ in
                        spawn {
                            for _ in 0..<20 {
                                let (here, there) = makePair()
                                var byte: UInt8 = 0
                                let answering = spawn {
                                    usleep(500)
                                    send(there, "x", 1, 0)
                                }
                                if recv(here, &byte, 1, 0) != 1 { throw Failure(1) }
                                try answering.get()
                                closeAll(here, there)
                            }
                        }
                    }
                    try joinAll(fibers, rethrowing: true)
                }
                var rounds = 0
                #expect(stop_hammering(hammer, &rounds) == 0)
                #expect(rounds > 0)
            }
        }
    }
}
