import HTTPTypes
import Swiftlet
import SwiftletHTTP

/// A proxy in front of another server: both bodies pass through piece by piece, however long they are, and whoever is slow
/// slows down the other side. The word after the name is the server's address.
///
///     swift run SwiftletExamples proxy http://127.0.0.1:5000     # Forwarding http://127.0.0.1:5002/ to …
func streamingProxy() throws {
    let upstream = try HTTPURL(Settings.url)
    var settings = HTTPClient.Configuration()
    // The client behind the proxy decides about these.
    settings.cookies = .none
    settings.decodesContent = false
    settings.timeout = nil
    try EventLoop.run {
        try withHTTPClient(settings) { client in
            var configuration = HTTPServer.Configuration()
            configuration.port = Settings.number("PORT", default: 5002)
            let server = HTTPServer(configuration)
            server.fallback { try forward($0, to: upstream, client) }
            try server.start()
            print("Forwarding http://127.0.0.1:\(server.port)/ to \(upstream)")
            try server.waitUntilStopped()
        }
    }
}

private func forward(
    _ request: HTTPServerRequest, to upstream: HTTPURL, _ client: HTTPClient
) throws -> HTTPServerResponse {
    guard request.target.hasPrefix("/") else { throw HTTPAbort(.badRequest) }
    let url = try HTTPURL("\(upstream.scheme.rawValue)://\(upstream.authority)\(request.target)")
    var outgoing = HTTPClientRequest(method: request.method, url: url, headers: endToEnd(request.headers))
    outgoing.followsRedirects = false
    outgoing.headers.append(HTTPField(name: .via, value: "1.1 swiftlet"))
    outgoing.headers.append(HTTPField(name: HTTPField.Name("X-Forwarded-For")!, value: request.remoteAddress.host))
    if request.contentLength != 0 {
        outgoing.body = .stream(length: request.contentLength) { writer in
            while let piece = try request.body.next() { try writer.write(piece) }
        }
    }
    let answer: HTTPResponseStream
    do {
        answer = try client.open(outgoing)
    } catch let error as HTTPClientError {
        throw HTTPAbort(error.isTimeout ? .gatewayTimeout : .badGateway)
    }
    let length = answer.headers[.contentLength].flatMap { Int($0) }
    // If the client has gone by then, nothing runs: the answer is dropped, which closes its connection.
    return .stream(status: answer.status, headers: endToEnd(answer.headers), length: length, contentType: nil) { body in
        while let piece = try answer.body.next() { try body.write(piece) }
    }
}

/// Without what is between two neighbours only, and what each writes itself (RFC 9110, 7.6.1).
private func endToEnd(_ fields: HTTPFields) -> HTTPFields {
    var kept = fields
    for name in fields[.connection]?.split(separator: ",") ?? [] {
        if let name = HTTPField.Name(String(name.drop { $0 == " " }.prefix { $0 != " " })) { kept[name] = nil }
    }
    for name in [
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "Content-Length", "Expect",
    ] { kept[HTTPField.Name(name)!] = nil }
    return kept
}
