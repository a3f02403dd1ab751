import Swiftlet

/// The same requests, made in each of the ways that are compared.
struct Requests {
    let url: String
    let count: Int

    func make(_ mode: Mode) throws {
        switch mode {
        case .serial: for _ in 0..<count { try fetch(url) }
        case .threads: try inThreads()
        case .fibers: try inFibers()
        case .tasks: try inTasks()
        case .loops: try inLoops()
        }
    }

    private func inThreads() throws {
        let threads = try (0..<count).map { _ in try BlockingThread { [url] in try fetch(url) } }
        for thread in threads { try thread.join() }
    }

    private func inFibers() throws {
        try EventLoop.run {
            let fibers = (0..<count).map { _ in spawn { try fetch(url) } }
            try joinAll(fibers)
            for fiber in fibers { try fiber.get() }
        }
    }

    private func inTasks() throws {
        try EventLoop.run {
            let tasks = (0..<count).map { _ in Task { try await fetch(url) } }
            for task in tasks { try await task.value }
        }
    }

    private func inLoops() throws {
        try EventLoopGroup.with { group in
            let fibers = (0..<count).map { _ in group.spawn { [url] in try fetch(url) } }
            for fiber in fibers { try fiber.get() }
        }
    }
}
