import HTTPTypes
package import Swiftlet

/// How a server answered a request that asks it to go on in another protocol (RFC 9110, 7.8).
package enum HTTPUpgrade: Sendable {
    /// It answered 101: the stream is the caller's, who closes it. It counts for none of the client's limits any more.
    case switched(UpgradedConnection)
    /// It answered with something else, as servers may.
    case refused(HTTPClientResponse)
}

/// A connection that speaks HTTP no more.
///
/// Thread rules: those of its stream; the buffer belongs to its one reader.
package struct UpgradedConnection: @unchecked Sendable {
    /// The 101, without a body.
    package let response: HTTPClientResponse
    package let stream: any ByteStream
    /// What came behind the response's head. Read through it, so that nothing is lost.
    package let input: InputBuffer
}

extension HTTPClient {
    /// Asks a server to change the protocol. The request is a GET with `Connection: Upgrade` and what the protocol needs.
    ///
    /// It always opens a connection of its own: what refuses to switch on a kept one could not be told from a stale one.
    /// The time limit counts up to the answer; afterwards the stream has none.
    ///
    /// Cancellation: ends the request and closes its connection.
    /// - Throws: `HTTPClientError`; `CancellationError`.
    package func upgrade(_ request: HTTPClientRequest) throws -> HTTPUpgrade {
        var journey = RequestJourney(request, client: self)
        let exchange = try journey.open(isUpgrade: true)
        guard exchange.head?.status.code == 101 else {
            let bytes = try exchange.collect()
            return .refused(try exchange.response(bytes, journey))
        }
        let response = try exchange.response([], journey)
        guard let connection = exchange.takeConnection() else { throw HTTPRequestFault.responseIsClosed }
        return .switched(UpgradedConnection(response: response, stream: connection.socket, input: connection.input))
    }
}
