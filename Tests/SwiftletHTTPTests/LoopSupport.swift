import Glibc
import HTTPTypes
import Swiftlet
import SwiftletHTTP
import Synchronization
import Testing

private final class ThreadStart: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs a closure on a thread of its own, which has no loop, and waits for its end.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let start = ThreadStart { continuation.resume(with: Result { try body() }) }
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(start).toOpaque())
        precondition(status == 0)
        pthread_detach(thread)
    }
}

/// Runs a closure in a fiber of a fresh loop and checks that the loop switched stacks meanwhile.
func onLoop<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await onThread {
        try EventLoop.run(takesOver: false) {
            let before = try EventLoop.current.statistics.parks
            let value = try body()
            #expect(try EventLoop.current.statistics.parks > before, "nothing parked")
            return value
        }
    }
}

/// Runs a closure in a task of a fresh loop and checks that the loop switched stacks meanwhile.
func onLoopTask<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try await onThread {
        try EventLoop.run(takesOver: false) {
            let before = try EventLoop.current.statistics.parks
            let value = try await body()
            #expect(try EventLoop.current.statistics.parks > before, "nothing parked")
            return value
        }
    }
}

/// Runs the body until it has parked, so that what follows finds it waiting.
func spawnAndPark<Value>(_ body: @escaping () throws -> Value) throws -> Fiber<Value> {
    let fiber = spawn { try body() }
    for _ in 0..<3 { try yield() }
    return fiber
}

/// The error that a call throws.
func failure<Failure: Error>(_ type: Failure.Type, of body: () throws -> some Any) throws -> Failure {
    try #require(#expect(throws: type) { _ = try body() })
}

/// The kernel's names of the sockets behind descriptors, such as `socket:[4711]`. Unlike numbers, they are not reused
/// while tests run side by side.
func socketNames(_ numbers: [CInt]) -> Set<String> {
    var names: Set<String> = []
    for number in numbers {
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            let count = readlink("/proc/self/fd/\(number)", buffer.baseAddress!, 255)
            buffer[max(count, 0)] = 0
            return String(cString: buffer.baseAddress!)
        }
        if text.hasPrefix("socket:") { names.insert(text) }
    }
    return names
}

/// Those of the sockets that are still open in this process.
func stillOpen(_ names: Set<String>) -> Set<String> {
    guard let directory = opendir("/proc/self/fd") else { return names }
    defer { closedir(directory) }
    var numbers: [CInt] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if let number = CInt(name) { numbers.append(number) }
    }
    return socketNames(numbers).intersection(names)
}

/// A server that plays a part: for each connection, in order, the given lines of it.
///
/// Each line waits for a request's head and then writes its text. After the last line the connection is closed.
final class ScriptedServer: Sendable {
    let listener: TCPListener
    let requests = Mutex<[String]>([])

    var url: String { "http://127.0.0.1:\(listener.port)/" }
    var requestCount: Int { requests.withLock { $0.count } }

    init() throws { listener = try TCPListener() }

    /// Plays in a fiber; several connections at the same time.
    func play(_ connections: [[String]]) {
        spawn {
            for lines in connections {
                let connection = try self.listener.accept()
                spawn {
                    for line in lines {
                        guard let head = try self.readHead(connection) else { break }
                        self.requests.withLock { $0.append(head) }
                        try connection.write(line)
                    }
                    connection.close()
                }
            }
        }
    }

    private func readHead(_ connection: TCPConnection) throws -> String? {
        var head: [UInt8] = []
        while !String(decoding: head, as: UTF8.self).contains("\r\n\r\n") {
            let piece = try connection.read(upTo: 1)
            if piece.isEmpty { return nil }
            head += piece
        }
        return String(decoding: head, as: UTF8.self)
    }
}

/// A response as a scripted server writes it.
func answer(_ body: String, status: String = "200 OK", fields: String = "") -> String {
    "HTTP/1.1 \(status)\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

/// Runs the body with a server that is stopped afterwards.
func withServer<Value>(
    _ routes: (HTTPServer) -> Void, _ configuration: HTTPServer.Configuration = .init(),
    _ body: (HTTPServer, String) throws -> Value
) throws -> Value {
    var configuration = configuration
    configuration.port = 0
    let server = HTTPServer(configuration)
    routes(server)
    try server.start()
    defer { #expect(throws: Never.self) { try server.stop(grace: .milliseconds(100)) } }
    return try body(server, "http://127.0.0.1:\(server.port)")
}

/// What a server answers to raw bytes, until it closes.
func exchange(_ port: Int, _ text: String) throws -> String {
    try TCPConnection.with("127.0.0.1", port: port) { connection in
        connection.timeout = .seconds(10)
        try connection.write(text)
        return String(decoding: try connection.readToEnd(), as: UTF8.self)
    }
}

/// Collects all reports of the process, once and for good: tests run side by side, so each looks for its own.
enum CollectedReports {
    private static let messages = Mutex<[String]>([])
    private static let isInstalled: Bool = {
        let next = Mutex<(@Sendable (Report) -> Void)?>(nil)
        let earlier = Report.setHandler { report in
            messages.withLock { $0.append(report.message) }
            next.withLock { $0 }?(report)
        }
        next.withLock { $0 = earlier }
        return true
    }()

    static func install() { _ = isInstalled }

    static func count(_ text: String) -> Int { messages.withLock { $0.count { $0.contains(text) } } }
}
