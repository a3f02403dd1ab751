import Swiftlet
import SwiftletHTTP
import SwiftletPool

/// The same requests, made in each of the ways that are compared.
struct Requests {
    let url: String
    let count: Int

    func make(_ mode: Mode) throws {
        switch mode {
        case .serial: try oneByOne()
        case .threads: try inThreads()
        case .fibers: try inFibers()
        case .tasks: try inTasks()
        case .loops: try inLoops()
        case .processes: try inProcesses()
        case .processesTasks: try inProcessesAndTasks()
        }
    }

    private func oneByOne() throws {
        try withHTTPClient(configuration) { client in
            for _ in 0..<count { try check(client.get(url)) }
        }
    }

    private func inThreads() throws {
        try withHTTPClient(configuration) { client in
            let threads = try (0..<count).map { _ in try BlockingThread { try check(client.get(url)) } }
            for thread in threads { try thread.join() }
        }
    }

    private func inFibers() throws {
        try EventLoop.run {
            try withHTTPClient(configuration) { client in
                let fibers = (0..<count).map { _ in spawn { try check(client.get(url)) } }
                try joinAll(fibers)
                for fiber in fibers { try fiber.get() }
            }
        }
    }

    private func inTasks() throws {
        try EventLoop.run {
            try await withHTTPClient(configuration) { client in
                let tasks = (0..<count).map { _ in Task { try check(await client.get(url)) } }
                for task in tasks { try await task.value }
            }
        }
    }

    private func inLoops() throws {
        try EventLoopGroup.with { group in
            // A client a loop: its connections are then all opened where they are used.
            let clients = group.loops.map { _ in HTTPClient(configuration) }
            defer { for client in clients { client.close() } }
            let fibers = (0..<count).map { number in
                let index = number % clients.count
                return group.loops[index].spawn { try check(clients[index].get(url)) }
            }
            for fiber in fibers { try fiber.join() }
            for fiber in fibers { try fiber.get() }
        }
    }

    /// As many as the tutorial's machine had processors: these processes only wait.
    private static let processes = 8

    private func inProcesses() throws {
        try withProcessPool(processes: Self.processes) { pool in
            for failure in try pool.map((0..<count).map { _ in BlockingGet(url: url) }, chunks: .one) {
                try check(failure)
            }
        }
    }

    private func inProcessesAndTasks() throws {
        let share = (count + Self.processes - 1) / Self.processes
        try EventLoop.run {
            try await withProcessPool(processes: Self.processes, childConcurrency: share) { pool in
                for failure in try await pool.map((0..<count).map { _ in TaskGet(url: url) }) { try check(failure) }
            }
        }
    }

    /// All requests go out at once, and wait as long as the server makes them.
    private var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration.patient
        configuration.connectionLimit = count
        return configuration
    }

    private func check(_ response: HTTPClientResponse) throws { try check(response.failure) }

    private func check(_ failure: String?) throws {
        if let failure { throw Failure.unavailable("\(url) answered with status \(failure)") }
    }
}

/// One request in a worker process, which waits for nothing else. Answers the status if it is not one of success.
struct BlockingGet: PoolJob {
    let url: String
    func run() throws -> String? {
        try withHTTPClient(.patient) { client in try client.get(url).failure }
    }
}

/// One request of several that a worker process makes at a time.
struct TaskGet: PoolJob {
    let url: String

    func run() async throws -> String? {
        try await withHTTPClient(.patient) { client in try await client.get(url).failure }
    }
}

extension HTTPClient.Configuration {
    /// Waits as long as the server takes.
    fileprivate static var patient: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.timeout = nil
        configuration.readTimeout = nil
        return configuration
    }
}

extension HTTPClientResponse {
    /// The status, if it is not one of success.
    fileprivate var failure: String? { isSuccessful ? nil : "\(status)" }
}
