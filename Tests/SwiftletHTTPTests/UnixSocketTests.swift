import Glibc
import HTTPTypes
import Swiftlet
import SwiftletHTTP
import Synchronization
import TestSupport
import Testing

/// HTTP over Unix sockets, as container engines and their like speak it.
@Suite struct UnixSocketTests {
    private static func path(_ name: String) -> String { "/tmp/swiftlet-http-\(getpid())-\(name).socket" }

    /// Answers each request with its head, until its client leaves.
    private func serve(_ listener: UnixListener) {
        spawn {
            try listener.serve { connection in
                var unread: [UInt8] = []
                while true {
                    while unread.firstRange(of: Array("\r\n\r\n".utf8)) == nil {
                        let piece = try connection.read(upTo: 4096)
                        if piece.isEmpty { return }
                        unread += piece
                    }
                    try connection.write(answer(String(decoding: unread, as: UTF8.self)))
                    unread = []
                }
            }
        }
    }

    @Test("A client whose connections go to a Unix socket", arguments: ["file", "@abstract"])
    func client(kind: String) async throws {
        try await onLoop {
            let path = kind == "file" ? Self.path("client") : "@swiftlet-http-\(getpid())"
            let listener = try UnixListener(path: path)
            serve(listener)
            let steps = Mutex<[String]>([])
            let configuration = configured {
                $0.unixSocket = path
                $0.trace = { event in steps.withLock { $0.append("\(event.step)".prefix { $0 != "(" }.description) } }
            }
            try HTTPClient.with(configuration) { client throws in
                for _ in 0..<3 {
                    // The host is never looked up; the server is told of it.
                    let text = try client.get("http://engine.invalid/containers/json?all=1").text
                    #expect(text.hasPrefix("GET /containers/json?all=1 HTTP/1.1\r\nHost: engine.invalid\r\n"))
                }
                #expect(client.statistics.openedConnections == 1)
                let seen = steps.withLock { $0 }
                #expect(seen.contains("connected") && !seen.contains("resolving"))
            }
            listener.close()
        }
    }

    @Test("Nobody there: the error names the socket and the URL")
    func refused() async throws {
        try await onLoop {
            let path = Self.path("nobody")
            try HTTPClient.with(configured { $0.unixSocket = path }) { client throws in
                let error = try failure(HTTPClientError.self) { try client.get("http://localhost/") }
                #expect(error.phase == .connect && error.isConnectionFailure)
                #expect(error.description.contains(path) && error.description.contains("http://localhost/"))
            }
            try yield()
        }
    }

    // MARK: Servers

    private func configuration(_ change: (inout HTTPServer.Configuration) -> Void) -> HTTPServer.Configuration {
        var configuration = HTTPServer.Configuration()
        change(&configuration)
        return configuration
    }

    @Test("A server at a Unix socket; its file goes with it", arguments: ["file", "@abstract"])
    func server(kind: String) async throws {
        let isFile = kind == "file"
        let path = isFile ? Self.path("server") : "@swiftlet-http-server-\(getpid())"
        let log = SharedJournal<String>()
        try await onLoop {
            let server = HTTPServer(
                configuration {
                    $0.unixSocket = path
                    $0.unixSocketPermissions = 0o600
                    $0.accessLog = { log.note($0.commonLogLine) }
                })
            server.get("/") { request in "\(request.remoteAddress) \(request.authority ?? "")" }
            server.get("/later") { _ async throws in
                try await Task.sleep(for: .milliseconds(1))
                return "later"
            }
            // Twice: stopping gives the path back.
            for _ in 0..<2 {
                try server.start()
                #expect(server.address == SocketAddress(unixPath: path) && server.port == 0)
                if isFile {
                    var file = stat()
                    #expect(stat(path, &file) == 0 && file.st_mode & 0o777 == 0o600)
                }
                let busy = HTTPServer(configuration { $0.unixSocket = path })
                #expect(try failure(SocketError.self) { try busy.start() }.reason == .system(errno: EADDRINUSE))
                try HTTPClient.with(configured { $0.unixSocket = path }) { client throws in
                    #expect(try client.get("http://somewhere.invalid/").text == "unix: somewhere.invalid")
                    #expect(try client.get("http://somewhere.invalid/later").text == "later")
                    #expect(client.statistics.openedConnections == 1)
                }
                try server.stop()
                #expect(server.address == nil)
                if isFile { #expect(access(path, F_OK) != 0, "the file is left") }
            }
        }
        #expect(log.entries.count == 4)
        #expect(log.entries.allSatisfy { $0.hasPrefix("unix: - - [") })
    }

    @Test("A start hook that fails leaves no file")
    func failingStart() async throws {
        try await onLoop(parks: false) { () throws in
            let path = Self.path("failing")
            let server = HTTPServer(configuration { $0.unixSocket = path })
            server.onStart { () throws in throw Failure(1) }
            #expect(throws: Failure.self) { try server.start() }
            #expect(access(path, F_OK) != 0, "the file is left")
            let astray = HTTPServer(configuration { $0.unixSocket = "/nowhere/at/all.socket" })
            #expect(try failure(SocketError.self) { try astray.start() }.description.contains("the folder is missing"))
        }
    }

    @Test("The loops of a group share a Unix socket's queue")
    func loops() async throws {
        let group = try EventLoopGroup(count: 2)
        try await onLoop {
            let path = Self.path("loops")
            let server = HTTPServer(
                configuration {
                    $0.unixSocket = path
                    $0.connectionLimit = 1
                })
            server.get("/") { _ in "\(pthread_self())" }
            try server.start(on: group)
            // Each loop may have one connection, so that the second client must get to the other loop.
            let clients = (0..<2).map { _ in HTTPClient(configured { $0.unixSocket = path }) }
            let threads = try clients.map { try $0.get("http://localhost/").text }
            #expect(Set(threads).count == 2)
            for client in clients { client.close() }
            try server.stop()
            #expect(access(path, F_OK) != 0, "the file is left")
        }
        group.stop()
    }

    @Test("A server at a socket that was handed over leaves it to its owner", arguments: [AF_INET, AF_UNIX])
    func inherited(family: CInt) async throws {
        try await onLoop {
            let path = Self.path("inherited")
            let number = socket(family, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(number) }
            let server = HTTPServer(configuration { $0.inheritedSocket = number })
            server.get("/") { _ in "here" }
            let notYet = try failure(SocketError.self) { try server.start() }
            #expect(notYet.reason == .system(errno: EINVAL))
            #expect(notYet.description.contains("has to be a stream socket that listens"))
            if family == AF_UNIX { try bindUnix(number, path) }
            #expect(listen(number, 10) == 0)
            for _ in 0..<2 {
                try server.start()
                let client = HTTPClient(configured { if family == AF_UNIX { $0.unixSocket = path } })
                #expect(try client.get("http://127.0.0.1:\(max(server.port, 1))/").text == "here")
                client.close()
                try server.stop()
            }
            #expect(fcntl(number, F_GETFD) >= 0)
            if family == AF_UNIX { #expect(unlink(path) == 0) }
            let closed = HTTPServer(configuration { $0.inheritedSocket = 99_999 })
            #expect(try failure(SocketError.self) { try closed.start() }.reason == .system(errno: EBADF))
        }
    }

    private func bindUnix(_ number: CInt, _ path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(status == 0)
    }
}
