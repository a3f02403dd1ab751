import Glibc
import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

/// The client against servers of others: httpbin and Flask over Werkzeug, aiohttp, nginx. A peer that is not installed is
/// skipped; Tests/Interop/install-client-peers installs them.
@Suite(.serialized) struct PeerTests {
    private struct Echo: Decodable {
        var args: [String: String]?
        var form: [String: String]?
        var files: [String: String]?
        var headers: [String: String]?
        var data: String?
        var cookies: [String: String]?
    }

    private static func has(_ module: String) -> Bool {
        system("python3 -W ignore -c 'import \(module)' >/dev/null 2>&1") == 0
    }

    @Test(.enabled(if: has("httpbin"), "httpbin is not installed: run Tests/Interop/install-client-peers"))
    func httpbin() async throws {
        let peer = try PeerProcess("httpbin")
        defer { peer.end() }
        try await onLoop {
            try HTTPClient.with(configured { $0.baseURL = try? HTTPURL(peer.url) }) { client throws in
                #expect(try client.get("/get", parameters: ["a": "b c"]).json(Echo.self).args == ["a": "b c"])
                #expect(try client.post("/post", body: .form(["x": "ü&"])).json(Echo.self).form == ["x": "ü&"])
                var form = MultipartForm()
                form.append("name", "value")
                form.append("file", bytes: Array("content".utf8), fileName: "a.txt", contentType: "text/plain")
                let posted = try client.post("/post", body: .multipart(form)).json(Echo.self)
                #expect(posted.form == ["name": "value"] && posted.files == ["file": "content"])
                #expect(try client.put("/put", body: .json(["k": 1])).json(Echo.self).data == #"{"k":1}"#)
                #expect(try client.delete("/delete").isSuccessful && client.patch("/patch").isSuccessful)
                #expect(try client.head("/get").bytes.isEmpty)
                #expect(throws: HTTPStatusError.self) { try client.get("/status/418").raiseForStatus() }
                for path in ["/redirect/4", "/relative-redirect/4", "/absolute-redirect/4"] {
                    let response = try client.get(path)
                    #expect(response.history.count == 4 && response.url.path == "/get", "\(path)")
                }
                #expect(try client.get("/cookies/set?one=1").json(Echo.self).cookies == ["one": "1"])
                for coding in ["gzip", "deflate"] { #expect(try client.get("/\(coding)").text.contains("\(coding)")) }
                for path in [
                    "basic-auth/me/secret", "digest-auth/auth/me/secret", "digest-auth/auth/me/secret/SHA-256",
                ] {
                    var request = try client.request(.get, "/" + path)
                    #expect(try client.send(request).status == .unauthorized, "\(path)")
                    let isBasic = path.hasPrefix("basic")
                    request.authentication =
                        isBasic ? .basic(user: "me", password: "secret") : .digest(user: "me", password: "secret")
                    #expect(try client.send(request).status == .ok, "\(path)")
                    #expect(try client.send(request).status == .ok, "\(path)")
                }
                try client.withResponse(to: "/stream/20") { response throws in
                    var lines = 0
                    while try response.body.readLine() != nil { lines += 1 }
                    #expect(lines == 20)
                }
                #expect(try client.get("/bytes/5000").bytes.count == 5000)
                #expect(try client.get("/encoding/utf8").text.contains("∮ E⋅da = Q"))
                let late = try failure(HTTPClientError.self) { try client.get("/delay/5", timeout: .milliseconds(300)) }
                #expect(late.timeout == .total && late.phase == .readHead)
                let fibers = (0..<30).map { number in spawn { try client.get("/anything/\(number)").status } }
                for fiber in fibers { #expect(try fiber.get() == .ok) }
                #expect(client.pool.counts.used == 0)
            }
        }
    }

    @Test(.enabled(if: has("flask"), "Flask is not installed: run Tests/Interop/install-client-peers"))
    func flask() async throws {
        struct Uploaded: Decodable {
            var form: [String: String]
            var files: [String: Int]
        }
        let peer = try PeerProcess("flask")
        defer { peer.end() }
        try await onLoop {
            try HTTPClient.with(configured { $0.baseURL = try? HTTPURL(peer.url) }) { client throws in
                var form = MultipartForm()
                form.append("a", "1")
                form.append("large", bytes: [UInt8](repeating: 7, count: 3_000_000), fileName: "large.bin")
                let uploaded = try client.post("/upload", body: .multipart(form)).json(Uploaded.self)
                #expect(uploaded.form == ["a": "1"] && uploaded.files == ["large": 3_000_000])
                try client.withResponse(to: "/lines") { response throws in
                    for number in 0..<1000 { #expect(try response.body.readLine() == "line \(number)") }
                    #expect(try response.body.readLine() == nil)
                }
                for count in 1...3 { #expect(try client.get("/session").text == "\(count)") }
            }
        }
    }

    @Test(.enabled(if: has("aiohttp"), "aiohttp is not installed: run Tests/Interop/install-client-peers"))
    func aiohttp() async throws {
        let peer = try PeerProcess("aiohttp")
        defer { peer.end() }
        try await onTaskLoop { _ in
            try await HTTPClient.with(configured { $0.baseURL = try? HTTPURL(peer.url) }) { client async throws in
                let text = String(repeating: "Swiftlet ", count: 100_000)
                #expect(try await client.post("/echo", body: .text(text)).text == text)
                let pieces = (0..<100).map { [UInt8](repeating: UInt8($0), count: 10_000) }
                let echoed = try await client.put("/stream", body: .sequence(pieces))
                #expect(echoed.bytes == pieces.flatMap { $0 })
                var request = try client.request(.put, "/expect", body: .text("agreed"))
                request.expectsContinue = true
                #expect(try await client.send(request).text == "agreed")
                request.headers[HTTPField.Name("X-Refuse")!] = "yes"
                #expect(try await client.send(request).status.code == 417)
                #expect(client.pool.counts.used == 0)
                let pages = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for number in 0..<200 {
                        group.addTask { try await client.post("/echo", body: .text("\(number)")).text == "\(number)" }
                    }
                    return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                #expect(pages == 200)
            }
        }
    }

    @Test(
        .enabled(
            if: access("/usr/sbin/nginx", X_OK) == 0, "nginx is not installed: run Tests/Interop/install-client-peers"))
    func nginx() async throws {
        let listener = try TCPListener()
        let port = listener.port
        listener.close()
        let directory = "/tmp/swiftlet-nginx-\(getpid())"
        mkdir(directory, 0o755)
        defer { system("rm -rf \(directory)") }
        let settings = """
            daemon off; worker_processes 1; pid \(directory)/pid; error_log \(directory)/error.log;
            events { worker_connections 512; }
            http { access_log off; gzip on; gzip_types text/plain; keepalive_requests 10;
              client_body_temp_path \(directory); proxy_temp_path \(directory); fastcgi_temp_path \(directory);
              uwsgi_temp_path \(directory); scgi_temp_path \(directory); client_max_body_size 100k;
              server { listen 127.0.0.1:\(port); root \(directory); location /moved { return 301 /page.txt; } } }
            """
        let page = String(repeating: "A page of nginx. ", count: 5000)
        for (name, text) in [("nginx.conf", settings), ("page.txt", page)] {
            let file = try #require(fopen("\(directory)/\(name)", "w"))
            fputs(text, file)
            fclose(file)
        }
        let peer = try PeerProcess(["/usr/sbin/nginx", "-c", "\(directory)/nginx.conf", "-e", "\(directory)/error.log"])
        defer { peer.end() }
        try await onLoop {
            let url = "http://127.0.0.1:\(port)"
            let patience = Deadline.after(.seconds(20))
            while true {
                do {
                    try TCPConnection.connect(to: "127.0.0.1", port: port).close()
                    break
                } catch  where .now < patience {
                    try sleep(.milliseconds(10))
                }
            }
            try HTTPClient.with { client throws in
                let response = try client.get(url + "/moved")
                #expect(response.text == page && response.headers[.contentEncoding] == "gzip")
                #expect(try client.get(url + "/nowhere").status == .notFound)
                // nginx gives ranges of what it does not code.
                let range: HTTPFields = [.range: "bytes=2-5", .acceptEncoding: "identity"]
                #expect(try client.get(url + "/page.txt", headers: range).text == "page")
                #expect(try client.head(url + "/page.txt").bytes.isEmpty)
                // It ends a connection after ten requests, while others are on their way.
                let fibers = (0..<20).map { _ in
                    spawn { () throws in for _ in 0..<25 { #expect(try client.get(url + "/page.txt").text == page) } }
                }
                try joinAll(fibers, rethrowing: true)
                #expect(client.statistics.openedConnections >= 50)
                let large = try client.post(url + "/page.txt", body: .bytes([UInt8](repeating: 1, count: 5_000_000)))
                #expect(large.status == .contentTooLarge)
                #expect(client.pool.counts.used == 0)
            }
        }
    }
}

/// A server in a process of its own, which ends with its standard input at the latest.
private final class PeerProcess: Sendable {
    let url: String
    private let process: pid_t
    private let input: CInt

    /// Starts a server of client_peer.py and waits until it listens.
    convenience init(_ kind: String, file: String = #filePath) throws {
        let script = file.split(separator: "/").dropLast(2).joined(separator: "/") + "/Interop/client_peer.py"
        try self.init(["/usr/bin/env", "python3", "-W", "ignore", "/" + script, kind], announces: true)
    }

    init(_ arguments: [String], announces: Bool = false) throws {
        var (toChild, fromChild): ([CInt], [CInt]) = ([0, 0], [0, 0])
        #expect(pipe(&toChild) == 0 && pipe(&fromChild) == 0)
        for descriptor in toChild + fromChild { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        var words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, arguments[0], &actions, nil, &words, environ)
        close(toChild[0])
        close(fromChild[1])
        defer { close(fromChild[0]) }
        try #require(status == 0, "\(arguments[0]) cannot be started")
        self.process = process
        input = toChild[1]
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while announces, read(fromChild[0], &byte, 1) == 1, byte != 10 { line.append(byte) }
        url = "http://127.0.0.1:" + String(decoding: line, as: UTF8.self)
    }

    func end() {
        close(input)
        kill(process, SIGTERM)
        waitpid(process, nil, 0)
    }
}
