import Foundation
import PoolTestJobs
import Swiftlet
import SwiftletNATS
import SwiftletPool
import TestSupport
import Testing

@Suite("Named sets of jobs over NATS", .serialized, .enabled(if: isBuilt))
struct JobSetTests {
    /// A caller that has got some of its results is gone; the next one asks for the same, and nothing is done twice.
    @Test func goesOnWhereItWasInterrupted() async throws {
        let server = try Server()
        let worker = try Worker(for: server, concurrency: 4)
        let path = scratchFile()
        defer { unlink(path) }
        let jobs = (0..<120).map { Counted(path: path, number: $0, milliseconds: 2) }
        try await onLoop {
            let interrupted = try NATSPool(NATSConfiguration(server.address))
            let results = interrupted.jobSet("crawl of May").imap(jobs)
            for _ in 0..<30 { #expect(try results.next() != nil) }
            interrupted.terminate()
            try interrupted.join()
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let again = pool.jobSet("crawl of May")
                let values = try again.map(jobs)
                #expect(Set(values) == Set(1...120))
                #expect(fileLength(path) == 120)
                // All of it is there, in any order, and for each of equal jobs.
                #expect(try Set(again.map(jobs.reversed().map { $0 })).count == 120)
            }
            #expect(fileLength(path) == 240)
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                let again = pool.jobSet("crawl of May")
                #expect(try again.map(jobs + jobs).count == 240)
                #expect(fileLength(path) == 240)
                try again.remove()
            }
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                #expect(try pool.jobSet("crawl of May").map(jobs).count == 120)
                #expect(fileLength(path) == 360)
            }
            _ = worker
        }
    }

    /// What an earlier run has left in the queue is done while this one has not asked for it yet.
    @Test func resultsThatComeBeforeTheyAreAskedFor() async throws {
        let server = try Server()
        let path = scratchFile()
        defer { unlink(path) }
        let jobs = (1...3).map { Counted(path: path, number: $0) }
        try await onLoop {
            let interrupted = try NATSPool(NATSConfiguration(server.address))
            try interrupted.waitUntilReady()
            let lost = interrupted.jobSet("early").mapAsync(jobs, chunks: .one)
            try waitForJobs(server, stored: 3, left: 3)
            interrupted.terminate()
            try interrupted.join()
            #expect(throws: (any Error).self) { try lost.get() }
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                let again = pool.jobSet("early")
                // It has found no results when this is in the queue, behind the others.
                let first = again.applyAsync(Counted(path: path, number: 0))
                let worker = try Worker(for: server, concurrency: 1)
                #expect(try first.get(timeout: .seconds(60)) == 4)
                let watch = ContinuousClock.now
                #expect(try again.map(jobs) == [1, 2, 3])
                // Without them each job would be looked for among the lost, which takes 10 seconds.
                #expect(ContinuousClock.now - watch < .seconds(8))
                #expect(fileLength(path) == 4)
                _ = worker
            }
        }
    }

    /// Its jobs are taken out of the queue, and no others; servers before 2.9.12 would pass over those after a purge.
    @Test func aRemovedSetHarmsNoOther() async throws {
        let server = try Server()
        let (removed, other) = (scratchFile(), scratchFile())
        defer { for path in [removed, other] { unlink(path) } }
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                // There is a consumer of the queue, and nobody who takes from it.
                let first = try Worker(for: server, concurrency: 1)
                #expect(try pool.apply(Doubled(1)) == 2)
                first.signal(SIGTERM)
                #expect(try first.end() == 0)
                let lost = pool.jobSet("removed").mapAsync(
                    (0..<250).map { Counted(path: removed, number: $0) }, chunks: .one)
                let kept = pool.jobSet("kept").mapAsync((0..<10).map { Counted(path: other, number: $0) }, chunks: .one)
                try waitForJobs(server, stored: 261, left: 260)
                try pool.jobSet("removed").remove()
                try waitForJobs(server, stored: 261, left: 10)
                let worker = try Worker(for: server, concurrency: 1)
                #expect(try Set(kept.get(timeout: .seconds(60))) == Set(1...10))
                #expect(fileLength(removed) == 0)
                lost.cancel()
                _ = worker
            }
        }
    }

    @Test func whatFailedIsDoneAgain() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                #expect(throws: Known("the first time")) {
                    try pool.jobSet("once more").apply(FailOnce(path: path))
                }
            }
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                #expect(try pool.jobSet("once more").apply(FailOnce(path: path)) == 1)
            }
            _ = worker
        }
    }

    @Test func setsAreApart() async throws {
        let server = try Server()
        let worker = try Worker(for: server)
        let path = scratchFile()
        defer { unlink(path) }
        try await onLoop {
            try withNATSPool(NATSConfiguration(server.address)) { pool in
                try pool.waitUntilReady()
                for name in ["a.b > *", "a/b", ""] { _ = try pool.jobSet(name).apply(Counted(path: path)) }
                #expect(fileLength(path) == 3)
                _ = try pool.jobSet("a/b").apply(Counted(path: path))
                #expect(fileLength(path) == 3)
            }
            _ = worker
        }
    }
}
