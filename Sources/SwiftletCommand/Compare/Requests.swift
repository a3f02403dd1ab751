import Swiftlet
import SwiftletHTTP

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
            let fibers = (0..<count).map { number in
                let index = number % clients.count
                return group.loops[index].spawn { try check(clients[index].get(url)) }
            }
            for fiber in fibers { try fiber.join() }
            for fiber in fibers { try fiber.get() }
        }
    }

    /// All requests go out at once, and wait as long as the server makes them.
    private var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.connectionLimit = count
        configuration.timeout = nil
        configuration.readTimeout = nil
        return configuration
    }

    private func check(_ response: HTTPClientResponse) throws {
        guard response.isSuccessful else { throw Failure.unavailable("\(url) answered with status \(response.status)") }
    }
}
