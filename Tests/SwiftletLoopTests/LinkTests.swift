import Swiftlet
import TestSupport
import Testing

/// Links of fibers and results.
@Suite struct LinkTests {
    @Test func linksMayWaitAndKeepTheirOrder() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            let fiber = spawn { 7 }
            fiber.link { ended in
                #expect(ended === fiber && AnyFiber.current !== fiber)
                journal.note("1A")
                try yield()
                journal.note("1B")
            }
            fiber.rawLink { _ in journal.note("raw") }
            fiber.link { _ in
                journal.note("2A")
                try yield()
                journal.note("2B")
            }
            try fiber.join()
            #expect(journal.entries == ["raw"])
            try EventLoop.current.joinFibers()
            #expect(journal.entries == ["raw", "1A", "2A", "1B", "2B"])
        }
    }

    @Test func linksForValuesAndForErrors() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<String>()
            func observe(_ fiber: Fiber<Int>, _ name: String) {
                fiber.linkValue { journal.note("\(name) value \($0)") }
                fiber.linkError { journal.note("\(name) error \(($0 as? Failure)?.number ?? -1)") }
                fiber.link { _ in journal.note("\(name) end") }
            }
            observe(spawn(name: "good") { 1 }, "good")
            observe(spawn(name: "bad-4669") { throw Failure(2) }, "bad")
            let killed = spawn { () throws -> Int in
                try sleep(.seconds(100))
                return 3
            }
            observe(killed, "killed")
            try yield()
            try killed.kill()
            try EventLoop.current.joinFibers()
            #expect(journal.entries == ["good value 1", "good end", "bad error 2", "bad end", "killed end"])
            #expect(ReportLog.reports(containing: "bad-4669").isEmpty)
        }
    }

    @Test func takenBackLinksAreNotCalled() async throws {
        try await onLoop { () throws -> Void in
            let journal = Journal<Int>()
            let fiber = spawn {}
            let first = fiber.link { _ in journal.note(1) }
            let second = fiber.rawLink { _ in journal.note(2) }
            fiber.unlink(first)
            fiber.unlink(first)
            fiber.unlink(second)
            let other = spawn {}
            for n in 0..<3 { other.rawLink { _ in journal.note(n) } }
            other.unlinkAll()
            other.rawLink { _ in journal.note(9) }
            try joinAll([fiber, other])
            try EventLoop.current.joinFibers()
            #expect(journal.entries == [9])
        }
    }

    @Test func aLinkThatThrowsIsReported() async throws {
        try await onLoop { () throws -> Void in
            let fiber = spawn(name: "linked-1729") {}
            fiber.link { _ in
                try yield()
                throw Failure(1729)
            }
            try EventLoop.current.joinFibers()
            #expect(ReportLog.reports(containing: "linked-1729").count == 1)
        }
    }

    @Test func anEndPassesIntoAResult() async throws {
        try await onLoop { () throws -> Void in
            let value = AsyncResult<Int>()
            let error = AsyncResult<Int>()
            spawn { 5 }.link(to: value)
            spawn { () throws -> Int in throw Failure(6) }.link(to: error)
            #expect(try value.get() == 5)
            #expect(throws: Failure(6)) { try error.get() }
        }
    }
}
