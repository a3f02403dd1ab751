import Glibc
import HTTPTypes
import Swiftlet
import Synchronization
import TestSupport
import Testing

@testable import SwiftletHTTP

/// From where to where a client's connections go, and what it says unasked.
@Suite struct ConnectionChoiceTests {
    @Test("A resolver of one's own; what it remembers is told")
    func resolver() async throws {
        let asked = SharedJournal<String>()
        let steps = SharedJournal<String>()
        try await onLoop {
            try withServer({ $0.get("/") { HTTPServerResponse($0.authority ?? "") } }) { server, _ throws in
                let configuration = configured {
                    $0.resolver = Resolver { host in
                        asked.note(host)
                        return [SocketAddress(numericHost: "127.0.0.1", port: 0)!]
                    }
                    $0.hostConnectionLimit = 2
                    $0.trace = { event in
                        switch event.step {
                        case .resolving(let host): steps.note("resolving \(host)")
                        case .remembered(let host): steps.note("remembered \(host)")
                        default: break
                        }
                    }
                }
                try HTTPClient.with(configuration) { client throws in
                    let url = "http://somewhere.invalid:\(server.port)/"
                    #expect(try client.get(url).text == "somewhere.invalid:\(server.port)")
                    // While that connection is in use there has to be another.
                    try client.withResponse(to: url) { _ throws in _ = try client.get(url) }
                    #expect(client.statistics.openedConnections == 2)
                }
            }
        }
        #expect(asked.entries == ["somewhere.invalid"])
        #expect(steps.entries == ["resolving somewhere.invalid", "remembered somewhere.invalid"])
    }

    @Test("The address that connections come from")
    func localHost() async throws {
        try await onLoop {
            try withServer({ $0.get("/") { HTTPServerResponse($0.remoteAddress.host) } }) { _, url throws in
                for host in ["127.0.0.1", "127.0.0.2"] {
                    try HTTPClient.with(configured { $0.localHost = host }) { client throws in
                        #expect(try client.get(url + "/").text == host)
                    }
                }
                // 192.0.2.0/24 is nobody's (RFC 5737).
                for (host, errno) in [("192.0.2.1", EADDRNOTAVAIL), ("a name", EADDRNOTAVAIL), ("::1", EDESTADDRREQ)] {
                    try HTTPClient.with(configured { $0.localHost = host }) { client throws in
                        let error = try failure(HTTPClientError.self) { try client.get(url + "/") }
                        #expect(error.phase == .connect)
                        #expect((error.cause as? SocketError)?.reason == .system(errno: errno), "\(host): \(error)")
                    }
                }
            }
        }
    }

    @Test("Fields that are not sent unasked; a client knows that it is closed")
    func omits() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([[answer(""), answer(""), answer("")]])
            let client = HTTPClient(
                configured { $0.omittedHeaders = [.userAgent, .accept, .acceptEncoding, .contentType] })
            _ = try client.get(server.url)
            _ = try client.post(server.url, body: .text("x"), headers: [.accept: "text/html"])
            #expect(!client.isClosed)
            client.close()
            #expect(client.isClosed)
            let heads = server.requests.withLock { $0 }
            let host = "127.0.0.1:\(server.listener.port)"
            #expect(heads[0] == "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            #expect(
                heads[1].hasPrefix("POST / HTTP/1.1\r\nHost: \(host)\r\nAccept: text/html\r\nContent-Length: 1\r\n\r\n")
            )
        }
    }
}
