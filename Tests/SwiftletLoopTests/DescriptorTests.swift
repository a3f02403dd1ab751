import Glibc
import Swiftlet
import TestSupport
import Testing

@Suite struct DescriptorTests {
    @Test func aReaderWaitsForData() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer {
                close(reading)
                close(writing)
            }
            let reader = spawn { () throws -> Bool in
                #expect(try waitUntilReady(reading, for: .reading))
                return readByte(reading)
            }
            try yield()
            writeByte(writing)
            #expect(try reader.get())
            #expect(try waitUntilReady(reading, for: .reading, until: .after(.milliseconds(2))) == false)
            #expect(try waitUntilReady(writing, for: .writing))
            #expect(try withTimeout(.seconds(60)) { try waitUntilReady(writing, for: .writing) })  // again
        }
    }

    @Test func bothSidesWakeIndependently() async throws {
        try await onLoop { () throws -> Void in
            var pair: [CInt] = [0, 0]
            precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            let ours = pair[0]
            let theirs = pair[1]
            defer {
                close(ours)
                close(theirs)
            }
            _ = fcntl(ours, F_SETFL, O_NONBLOCK)
            let reader = spawn { try waitUntilReady(ours, for: .reading) }
            let writer = spawn { try waitUntilReady(ours, for: .writing) }
            #expect(try writer.get(timeout: .seconds(60)))
            #expect(!reader.isFinished)
            writeByte(theirs)
            #expect(try reader.get(timeout: .seconds(60)))
        }
    }

    @Test func readersOfOneDescriptorAreServedInOrder() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            let journal = Journal<Int>()
            let readers = (0..<3).map { n in
                spawn {
                    for _ in 0..<4 {
                        while !readByte(reading) {
                            try descriptor.drained(.reading)
                            try descriptor.waitUnlessReady(.reading)
                        }
                        journal.note(n)
                        try descriptor.drained(.reading)
                        try descriptor.waitUnlessReady(.reading, until: .after(.seconds(60)))
                    }
                }
            }
            try yield()
            for count in 1...9 {
                writeByte(writing)
                while journal.entries.count < count { try nap() }
            }
            for reader in readers { reader.cancel() }
            try joinAll(readers)
            #expect(journal.entries == [0, 1, 2, 0, 1, 2, 0, 1, 2])
            descriptor.close()
        }
    }

    @Test func severalReadersShareWhatCameAtOnce() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            let readers = (0..<5).map { _ in
                spawn { () throws -> Void in
                    while !readByte(reading) {
                        try descriptor.drained(.reading)
                        try descriptor.waitUnlessReady(.reading)
                    }
                }
            }
            try yield()
            for _ in 0..<5 { writeByte(writing) }  // one edge for all
            #expect(try joinAll(readers, timeout: .seconds(60), rethrowing: true).count == 5)
            descriptor.close()
        }
    }

    @Test func closingWakesEverybody() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            let readers = (0..<5).map { _ in
                spawn {
                    try descriptor.drained(.reading)
                    try descriptor.waitUnlessReady(.reading)
                }
            }
            try yield()
            descriptor.close()
            descriptor.close()
            #expect(try joinAll(readers, timeout: .seconds(60)).count == 5)
            for reader in readers { #expect((reader.error as? DescriptorError)?.errno == EBADF) }
            #expect(descriptor.isClosed)
            #expect(throws: DescriptorError.self) { try descriptor.waitUnlessReady(.reading) }
        }
    }

    @Test func aNumberUsedAgainWakesTheRightOne() async throws {
        try await onLoop { () throws -> Void in
            for _ in 0..<20 {
                let (reading, writing) = makePipe()
                let first = Descriptor(owning: reading)
                let old = spawn { () throws -> Void in
                    try first.drained(.reading)
                    try first.waitUnlessReady(.reading)
                }
                try yield()
                first.close()
                close(writing)
                let (again, other) = makePipe()
                let second = Descriptor(owning: again)
                let new = spawn { () throws -> Bool in
                    try second.drained(.reading)
                    try second.waitUnlessReady(.reading)
                    return readByte(again)
                }
                try old.join()
                #expect(old.error is DescriptorError)
                try yield()
                #expect(!new.isFinished)
                writeByte(other)
                #expect(try new.get(timeout: .seconds(60)))
                second.close()
                close(other)
            }
        }
    }

    @Test func theEndOfTheStreamWakesAndStays() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            let descriptor = Descriptor(owning: reading)
            let reader = spawn { () throws -> Void in
                try descriptor.drained(.reading)
                try descriptor.waitUnlessReady(.reading)
                try descriptor.drained(.reading)
                try descriptor.waitUnlessReady(.reading)  // no further edge comes: it must not wait
            }
            try yield()
            close(writing)
            #expect(try reader.join(timeout: .seconds(60)))
            #expect(reader.error == nil)
            descriptor.close()
        }
    }

    @Test func waitsEndByDeadlineAndCancellation() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            try descriptor.drained(.reading)
            #expect(throws: DeadlineExceeded.self) {
                try descriptor.waitUnlessReady(.reading, until: .after(.milliseconds(2)))
            }
            #expect(throws: DeadlineExceeded.self) {
                try withTimeout(.milliseconds(2)) { try descriptor.waitUnlessReady(.reading) }
            }
            let waiting = spawn { try descriptor.waitUnlessReady(.reading) }
            try yield()
            waiting.cancel()
            try waiting.join()
            #expect(waiting.error is CancellationError)
            descriptor.close()
        }
    }

    @Test func aForeignDescriptorMayBeAnnouncedAsClosing() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let waiting = spawn { try waitUntilReady(reading, for: .reading) }
            try yield()
            notifyClosing(reading)
            close(reading)
            #expect(throws: DescriptorError.self) { try waiting.get(timeout: .seconds(60)) }
        }
    }

    @Test func filesAreAlwaysReadyAndBadNumbersAreErrors() async throws {
        try await onLoop(parks: false) { () throws -> Void in
            let file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
            defer { close(file) }
            #expect(try waitUntilReady(file, for: .reading))
            #expect(throws: DescriptorError.self) { try waitUntilReady(-1, for: .reading) }
            #expect(throws: DescriptorError.self) { try waitUntilReady(1_000_000, for: .reading) }
        }
    }

    @Test func aDescriptorMayMoveBetweenLoops() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            try descriptor.drained(.reading)
            try withReader(of: descriptor) { (done) throws -> Void in
                writeByte(writing)
                #expect(try done.wait(until: .after(.seconds(60))) == true)
            }
            descriptor.close()
        }
    }

    @Test func waitingOnTwoLoopsAtOnceIsAnError() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            try withReader(of: descriptor) { (done) throws -> Void in
                let error = #expect(throws: DescriptorError.self) { try descriptor.drained(.writing) }
                #expect(error?.errno == EBUSY)
                #expect(error?.description.contains("another loop waits for descriptor \(reading)") == true)
                writeByte(writing)
                #expect(try done.wait(until: .after(.seconds(60))) == true)  // it was not disturbed
            }
            try descriptor.drained(.reading)  // and now it is free
            descriptor.close()
        }
    }

    @Test func closingElsewhereWakesWhoWaits() async throws {
        try await onLoop { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            try withReader(of: descriptor) { (done) throws -> Void in
                descriptor.close()
                let error = #expect(throws: DescriptorError.self) { try done.wait(until: .after(.seconds(60))) }
                #expect(error?.errno == EBADF)
            }
        }
    }

    /// Everybody takes turns, by chance at the same time: for the thread sanitizer.
    @Test func loopsThatContendGetErrorsAndNothingWorse() async throws {
        try await onFreshThread { () throws -> Void in
            let (reading, writing) = makePipe()
            defer { close(writing) }
            let descriptor = Descriptor(owning: reading)
            try EventLoopGroup.with(count: 3) { (group) throws -> Void in
                let fibers = (0..<6).map { _ in
                    group.spawn { () throws -> Int in
                        var refusals = 0
                        for _ in 0..<200 {
                            do {
                                try descriptor.drained(.reading)
                                try descriptor.waitUnlessReady(.reading, until: .after(.microseconds(10)))
                            } catch let error as DescriptorError {
                                guard error.errno == EBUSY else { throw error }
                                refusals += 1
                                try yield()
                            } catch is DeadlineExceeded {}
                        }
                        return refusals
                    }
                }
                for fiber in fibers { _ = try fiber.get() }
            }
            descriptor.close()
        }
    }

    /// Runs the body while a fiber of another loop waits to read a byte.
    private func withReader(of descriptor: Descriptor, _ body: (Waiter<Bool>) throws -> Void) throws {
        let done = Waiter<Bool>()
        let waits = Waiter<Void>()
        startThread {
            do {
                try EventLoop.run(takesOver: false) { () throws -> Void in
                    try descriptor.drained(.reading)
                    spawn { waits.resume(returning: ()) }  // runs once this fiber has parked
                    try descriptor.waitUnlessReady(.reading)
                    done.resume(returning: readByte(descriptor.number))
                }
            } catch {
                done.resume(throwing: error)
            }
        }
        _ = try waits.wait(until: .after(.seconds(60)))
        try body(done)
    }
}
