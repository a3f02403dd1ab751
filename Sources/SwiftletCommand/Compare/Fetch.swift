import Swiftlet

func fetch(_ url: String) throws {
    let port = Int(url.split(separator: ":").last!.prefix { $0.isNumber })!
    try TCPConnection.with("127.0.0.1", port: port) { c in
        try c.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let all = try c.readToEnd()
        guard String(decoding: all, as: UTF8.self).hasSuffix("Hello!") else { throw Failure.unavailable("wrong answer") }
    }
}

func fetch(_ url: String) async throws {
    let port = Int(url.split(separator: ":").last!.prefix { $0.isNumber })!
    try await TCPConnection.with("127.0.0.1", port: port) { c in
        try await c.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let all = try await c.readToEnd()
        guard String(decoding: all, as: UTF8.self).hasSuffix("Hello!") else { throw Failure.unavailable("wrong answer") }
    }
}
