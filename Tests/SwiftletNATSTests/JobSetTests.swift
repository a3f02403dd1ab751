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
