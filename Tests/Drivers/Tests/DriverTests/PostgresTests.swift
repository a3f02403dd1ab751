import DriverServers
import Glibc
import Swiftlet
import SwiftletInterpose
import Testing

extension DriverTests {
    @Test func twoHundredQueriesOfLibpqTakeTheTimeOfOne() throws {
        try prepare(Postgres.server)
        try EventLoop.run(takesOver: false) {
            let connections = try FiberGroup().map(0..<200) { _ in try Postgres() }
            let time = try inFibers(
                connections.map { connection in { _ = try connection.query("SELECT pg_sleep(0.2)") } })
            print("libpq: 200 × SELECT pg_sleep(0.2):", time)
            #expect(time < .milliseconds(350))
        }
    }

    @Test func soDoTheyInTasks() throws {
        try prepare(Postgres.server)
        try EventLoop.run(takesOver: false) { () async throws -> Void in
            let loop = try EventLoop.current
            let connections = try await withThrowingTaskGroup(of: Postgres.self) { group in
                for _ in 0..<100 { group.addTask(executorPreference: loop.taskExecutor) { try Postgres() } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let time = try await ContinuousClock().measure {
                try await withThrowingTaskGroup(of: String.self) { group in
                    for connection in connections {
                        group.addTask(executorPreference: loop.taskExecutor) {
                            try connection.query("SELECT pg_sleep(0.2)")
                        }
                    }
                    try await group.waitForAll()
                }
            }
            print("libpq: 100 tasks:", time)
            #expect(time < .milliseconds(350))
        }
    }

    @Test func aQueryThatIsCancelledFailsAndTheOthersGoOn() throws {
        try prepare(Postgres.server)
        try EventLoop.run(takesOver: false) {
            let first = try Postgres()
            let second = try Postgres()
            let slow = spawn { try first.query("SELECT pg_sleep(60)") }
            let quick = spawn { try second.query("SELECT 7") }
            #expect(try quick.get() == "7")
            slow.cancel()
            #expect(throws: DriverError.self) { try slow.get() }
        }
    }

    /// 64 fibers on one thread against 64 threads, in turns. Beyond a tenth, two runs on a busy machine do not differ.
    @Test(arguments: [Postgres.Transport.tcp, .unix])
    func fibersQueryAsOftenAsThreads(_ transport: Postgres.Transport) throws {
        try prepare(Postgres.server)
        let count = 64
        let length = Duration.milliseconds(800)
        let connections = try EventLoop.run(takesOver: false) {
            try FiberGroup().map(0..<count) { _ in try Postgres(through: transport) }
        }
        func fibers() throws -> Int {
            try EventLoop.run(takesOver: false) {
                let end = Deadline.after(length)
                var total = 0
                _ = try inFibers(
                    connections.map { connection in
                        {
                            while Deadline.now < end {
                                _ = try connection.query("SELECT 1")
                                total += 1
                            }
                        }
                    })
                return total
            }
        }
        final class Work {
            let connection: Postgres, end: Deadline
            var count = 0
            init(_ connection: Postgres, _ end: Deadline) { (self.connection, self.end) = (connection, end) }
        }
        func threads() -> Int {
            let end = Deadline.after(length)
            let work = connections.map { Work($0, end) }
            let threads = work.map { work in
                var thread = pthread_t()
                pthread_create(
                    &thread, nil,
                    { argument in
                        let work = Unmanaged<Work>.fromOpaque(argument!).takeUnretainedValue()
                        while Deadline.now < work.end, (try? work.connection.query("SELECT 1")) != nil {
                            work.count += 1
                        }
                        return nil
                    }, Unmanaged.passUnretained(work).toOpaque())
                return thread
            }
            for thread in threads { pthread_join(thread, nil) }
            return work.reduce(0) { $0 + $1.count }
        }
        func processorTime() -> Duration {
            var usage = rusage()
            getrusage(__rusage_who_t(0), &usage)
            return .seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + .microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
        }
        var ofFibers: [Int] = []
        var ofThreads: [Int] = []
        var timeOfFibers = Duration.zero
        var timeOfThreads = Duration.zero
        for _ in 0..<5 {
            let begin = processorTime()
            ofFibers.append(try fibers())
            let middle = processorTime()
            ofThreads.append(threads())
            timeOfFibers += middle - begin
            timeOfThreads += processorTime() - middle
        }
        let costs = (timeOfFibers / ofFibers.reduce(0, +), timeOfThreads / ofThreads.reduce(0, +))
        let ratio = Double(ofFibers.sorted()[2]) / Double(ofThreads.sorted()[2])
        print(
            "libpq: queries in 0.8 s, \(transport): 64 fibers \(ofFibers), 64 threads \(ofThreads), ratio \(ratio);",
            "processor time of this process for a query: \(costs.0), \(costs.1)")
        #if !DEBUG
            // Over TCP the kernel hands the processor to the server in the middle of each `send`. On a machine whose few
            // processors the server shares, one thread is then at a disadvantage, though it needs less time itself.
            #expect(ratio >= 1)
        #endif
    }
}
