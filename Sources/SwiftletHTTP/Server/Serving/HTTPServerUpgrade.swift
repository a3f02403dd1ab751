package import HTTPTypes
import SwiftletCoroutines
package import SwiftletNet

/// A server's connection that speaks HTTP no more (RFC 9110, 7.8): what a handler's closure takes over behind a 101.
///
/// The closure runs in the connection's fiber. It may read, write and close; the server closes when it ends. A server
/// that stops counts it among the requests under way.
///
/// Thread rules: those of its stream; the buffer belongs to its one reader. It is used on the connection's loop.
package final class HTTPServerUpgrade: @unchecked Sendable {
    package let stream: any ByteStream
    /// What came behind the request's head. Read through it, so that nothing is lost.
    package let input: InputBuffer
    /// The server has been asked to stop: say goodbye.
    package private(set) var isStopping = false
    /// Called once when the server is asked to stop, on the connection's loop. It must not park; if the server is
    /// stopping already, it is called at once. Dropped when what took over has ended.
    package var whenStopping: (() -> Void)? {
        didSet { if isStopping { whenStopping?() } }
    }

    init(stream: any ByteStream, input: InputBuffer, isStopping: Bool) {
        self.stream = stream
        self.input = input
        self.isStopping = isStopping
    }

    func stop() {
        guard !isStopping else { return }
        isStopping = true
        whenStopping?()
    }
}

extension HTTPServerResponse {
    /// Answers 101 and hands the connection over.
    ///
    /// Only for a request that asks for it: HTTP/1.1, without a body, with `Connection: Upgrade` and the protocol among its
    /// Upgrade fields. `HTTPServerRequest.asksForUpgrade(to:)` tells.
    ///
    /// - Parameters:
    ///   - protocolName: such as `websocket`.
    ///   - headers: further fields of the 101.
    ///   - takeOver: plain synchronous code that runs when the 101 has been sent. Errors other than lost connections
    ///     are reported.
    package static func upgrade(
        to protocolName: String, headers: HTTPFields = [:],
        takeOver: @escaping @Sendable (HTTPServerUpgrade) throws -> Void
    ) -> HTTPServerResponse {
        var response = HTTPServerResponse(status: .switchingProtocols, headers: headers)
        response.headers[.upgrade] = protocolName
        response.takeOver = takeOver
        return response
    }
}

extension HTTPServerRequest {
    /// The client wants to go on in another protocol.
    package func asksForUpgrade(to protocolName: String) -> Bool {
        guard method == .get, version >= .http11 else { return false }
        let wants = headers[values: .upgrade].contains { value in
            value.split(separator: ",").contains { Self.trimmed($0).lowercased() == protocolName.lowercased() }
        }
        return wants && headers[values: .connection].contains { $0.isListContaining("upgrade") }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop { $0 == " " || $0 == "\t" }
        return start.dropLast(start.reversed().prefix { $0 == " " || $0 == "\t" }.count)
    }
}
