/// What is told about a stream as it happens, by calls: the other way to write a connection, asyncio's `Protocol`. Straight-line
/// code over a `ByteStream` is shorter nearly always; this is for code that is written this way already.
///
/// ```swift
/// final class Echo: StreamProtocol {
///     var transport: StreamTransport?
///     func connectionMade(_ transport: StreamTransport) { self.transport = transport }
///     func dataReceived(_ bytes: [UInt8]) { transport?.write(bytes) }
/// }
/// try StreamServer(port: 9000) { try StreamTransport.run(Echo(), over: $0) }.run()
/// ```
///
/// `connectionMade` comes first and once, `connectionLost` last and once; the others between them.
///
/// Thread rules: all calls are made on the loop's thread, in the connection's own fiber, but for `resumeWriting`. One that
/// waits holds up its own connection only: nothing more is read until it returns.
public protocol StreamProtocol: AnyObject {
    /// The connection is there. Whoever will write keeps the transport.
    func connectionMade(_ transport: StreamTransport)

    /// Some bytes have come, at least one; where they are cut says nothing. asyncio's `data_received`.
    func dataReceived(_ bytes: [UInt8])

    /// The peer sends nothing more. asyncio's `eof_received`.
    ///
    /// - Returns: true to keep the own direction open, until `close`; false to close the transport.
    func endReceived() -> Bool

    /// More waits to be written than the high-water mark allows: write no more until `resumeWriting`. Called within `write`.
    func pauseWriting()

    /// What waits has fallen to the low-water mark.
    func resumeWriting()

    /// The connection is over, and its stream closed.
    ///
    /// - Parameter error: why; `nil` after `close`, `abort` or the peer's end.
    func connectionLost(_ error: (any Error)?)
}

extension StreamProtocol {
    public func connectionMade(_ transport: StreamTransport) {}
    public func endReceived() -> Bool { false }
    public func pauseWriting() {}
    public func resumeWriting() {}
    public func connectionLost(_ error: (any Error)?) {}
}

/// What is told about a socket for datagrams, by calls. asyncio's `DatagramProtocol`.
///
/// Thread rules: all calls are made on the loop's thread, in the endpoint's own fiber, but for `pauseWriting`, which comes
/// within `send`, and `resumeWriting`.
public protocol DatagramProtocol: AnyObject {
    /// The socket is there. Whoever will send keeps the transport.
    func connectionMade(_ transport: DatagramTransport)

    /// A datagram has come.
    func datagramReceived(_ datagram: Datagram)

    /// One could not be sent or received; the socket stays open. `ECONNREFUSED` tells that nobody receives at the peer.
    func errorReceived(_ error: SocketError)

    /// More waits to be sent than the high-water mark allows: send no more until `resumeWriting`.
    func pauseWriting()

    /// What waits has fallen to the low-water mark.
    func resumeWriting()

    /// The socket is closed.
    ///
    /// - Parameter error: why; `nil` after `close` or `abort`.
    func connectionLost(_ error: (any Error)?)
}

extension DatagramProtocol {
    public func connectionMade(_ transport: DatagramTransport) {}
    public func errorReceived(_ error: SocketError) {}
    public func pauseWriting() {}
    public func resumeWriting() {}
    public func connectionLost(_ error: (any Error)?) {}
}
