import CAllocationCount
import Swiftlet
import SwiftletHTTP

// What a request costs in steady state: pieces of memory allocated, and jobs that the loop took from its queue for an
// executor. Server and client are measured apart, each against bytes that cost nothing.

let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 10_000

struct Cost {
    var allocations: UInt64
    var jobs: UInt64
}

/// What the body costs, called so many times after a hundred times to warm up.
func cost(_ body: () throws -> Void) throws -> Cost {
    for _ in 0..<100 { try body() }
    let loop = try EventLoop.current
    let before = (allocation_count(), loop.statistics.jobs)
    for _ in 0..<count { try body() }
    return Cost(allocations: allocation_count() - before.0, jobs: loop.statistics.jobs - before.1)
}

func report(_ peer: String, _ cost: Cost) {
    let (allocations, jobs) = (Double(cost.allocations) / Double(count), Double(cost.jobs) / Double(count))
    print(
        "{\"workload\":\"http_allocations\",\"peer\":\"\(peer)\",\"n\":\(count),\"value\":\(allocations),"
            + "\"unit\":\"allocations/request\",\"jobs\":\(jobs)}")
}

func measureServer(_ peer: String, path: String) throws {
    var configuration = HTTPServer.Configuration()
    configuration.port = 0
    let server = HTTPServer(configuration)
    server.get("/fiber") { _ in "Hello" }
    server.get("/task") { _ async in "Hello" }
    try server.start()
    let connection = try TCPConnection.connect(to: "127.0.0.1", port: server.port)
    let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".utf8)
    var answer = [UInt8](repeating: 0, count: 1024)
    report(
        peer,
        try cost {
            try connection.write(request)
            _ = try answer.withUnsafeMutableBytes { try connection.read(into: $0) }
        })
    connection.close()
    try server.stop()
}

/// A server that answers whatever comes, without a look at it.
func startAnswering() throws -> TCPListener {
    let listener = try TCPListener()
    let answer = Array("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nHello".utf8)
    spawn {
        let connection = try listener.accept()
        var request = [UInt8](repeating: 0, count: 1024)
        while try request.withUnsafeMutableBytes({ try connection.read(into: $0) }) > 0 { try connection.write(answer) }
    }
    return listener
}

try EventLoop.run {
    try measureServer("swiftlet-server-fiber", path: "/fiber")
    try measureServer("swiftlet-server-task", path: "/task")
    let listener = try startAnswering()
    let url = "http://127.0.0.1:\(listener.port)/"
    try HTTPClient.with { client in
        report("swiftlet-client-fiber", try cost { _ = try client.get(url) })
    }
    // Detached, since the program's own code belongs to the main actor.
    let other = "http://127.0.0.1:\(try startAnswering().port)/"
    let inTask = Task.detached {
        try await HTTPClient.with { client in
            for _ in 0..<100 { _ = try await client.get(other) }
            let loop = try EventLoop.current
            let before = (allocation_count(), loop.statistics.jobs)
            for _ in 0..<count { _ = try await client.get(other) }
            return Cost(allocations: allocation_count() - before.0, jobs: loop.statistics.jobs - before.1)
        }
    }
    report("swiftlet-client-task", try blockOn { try await inTask.value })
}
